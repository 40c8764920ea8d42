"""During an upgrade an API meets the schema of the release before or after its own, and answers on both."""

import io
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from alembic import command
from sqlalchemy import Engine, text

from recommender.local.urls import PerRole
from recommender.schema import MIGRATIONS, alembic_config, newest
from recommender.tables import metadata
from tests.api.conftest import API, Service, eventually, serving

ROOT = MIGRATIONS.parent
HISTORY = [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Inception (2010)", "rating": 4}]
Start = Callable[..., Service]


@pytest.fixture
def engines(copied: tuple[PerRole[Engine], Path]) -> PerRole[Engine]:
    return copied[0]


@pytest.fixture
def start(copied: tuple[PerRole[Engine], Path]) -> Iterator[Start]:
    """An API of the test's own, against a stocked database of the test's own."""
    engines, models = copied
    urls = engines.map(lambda engine: engine.url.render_as_string(hide_password=False))
    with ExitStack() as running:

        def start(program: Sequence[str] = API, **settings: str) -> Service:
            return running.enter_context(serving(urls, models, settings, program))

        yield start


def expect(answer: httpx.Response, status: int = 200) -> httpx.Response:
    assert answer.status_code == status, f"{answer.request.url}: {answer.text}"
    return answer


def ask_everything(service: Service, engine: Engine) -> None:
    """All that a client asks for, from its registration to the deletion of a user."""
    client = service.client()  # /create-client and /token
    new = expect(client.post("/recommendations", json={"history": HISTORY})).json()
    assert (new["source"], new["persisted"]) == ("model", True)
    user = {"user_id": new["user_id"]}
    again = expect(client.post("/recommendations", json=user)).json()
    assert [movie["movie_id"] for movie in again["recommendations"]] == [
        movie["movie_id"] for movie in new["recommendations"]
    ]
    expect(client.post("/recommendations", json={"preferences": {"Animation": 5}}))
    expect(client.post("/recommendations/batch", json={"users": [user]}))
    movie = new["recommendations"][0]["movie_id"]
    rated = {"ratings": [{"external_id": "named", "movie_id": movie, "rating": 4}]}
    assert expect(client.post("/ratings", json=rated)).json()["stored"] == 1
    told = {"recommendation_id": new["recommendation_id"], "movie_id": movie}
    for event in ({"event": "clicked"}, {"event": "rated", "rating": 4.5}, {"event": "dismissed"}):
        expect(client.post("/feedback", json=told | event), 201)
    for path in ("", "/history", "/export"):
        expect(client.get(f"/users/{new['user_id']}{path}"))
    for path in ("/movies?q=matrix", f"/movies/{movie}", f"/movies/{movie}/similar", "/model", "/client"):
        expect(client.get(path))
    ready = expect(service.http.get("/health/ready")).json()
    assert (ready["database"], ready["schema_ok"]) == ("ok", True)
    eventually(lambda: lists_of(engine, new["user_id"]) >= 3)
    expect(client.delete(f"/users/{new['user_id']}"), 204)


def lists_of(engine: Engine, user_id: int) -> int:
    logged = text("SELECT count(*) FROM recommendations WHERE user_id = :user")
    with engine.connect() as connection:
        return int(connection.scalar(logged, {"user": user_id}))


EXPANDED = """
    CREATE TABLE newer (id bigint PRIMARY KEY, client_id bigint REFERENCES clients ON DELETE CASCADE);
    INSERT INTO genres (name) VALUES ('A genre of a newer release');
    INSERT INTO movie_genres SELECT movie_id, genre_id FROM movies, genres
        WHERE title = 'The Matrix' AND name = 'A genre of a newer release';
    INSERT INTO people (name) VALUES ('Somebody');
    INSERT INTO movie_credits SELECT movie_id, person_id, 'a role of a newer release' FROM movies, people
        WHERE title = 'The Matrix';
    INSERT INTO movie_sources SELECT 'a source of a newer release', '1', movie_id FROM movies
        WHERE title = 'The Matrix';
    UPDATE serving SET catalogue_revision = catalogue_revision + 1;
    UPDATE alembic_version SET version_num = '9999';
"""


def expand(engine: Engine) -> None:
    """All that a later migration may do."""
    with engine.begin() as connection:
        for table in metadata.tables:
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN newer_text text"))
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN newer_number int NOT NULL DEFAULT 7"))
            connection.execute(text(f"CREATE INDEX ON {table} (newer_text)"))
        for statement in EXPANDED.split(";")[:-1]:
            connection.execute(text(statement))


def test_this_api_answers_on_a_newer_schema(start: Start, engines: PerRole[Engine]) -> None:
    expand(engines.admin)
    service = start()
    assert service.http.get("/health/ready").json()["schema"] == "9999"
    ask_everything(service, engines.admin)


def test_this_api_goes_on_answering_while_the_schema_becomes_newer(
    start: Start, engines: PerRole[Engine]
) -> None:
    service = start()
    ask_everything(service, engines.admin)
    expand(engines.admin)
    ask_everything(service, engines.admin)


def test_this_api_answers_on_the_schema_before_the_newest_migration(
    start: Start, engines: PerRole[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engines.owner.url.render_as_string(hide_password=False))
    command.downgrade(alembic_config(), "-1")
    service = start()
    assert service.http.get("/health/ready").json()["schema"] < newest()
    ask_everything(service, engines.admin)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it was before the newest migration."""
    packed = git("archive", "--format=zip", _commit_before(), "api", "recommender")
    folder = tmp_path_factory.mktemp("before")
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        files.extractall(folder)
    return folder


def _commit_before() -> str:
    newest_file = max((MIGRATIONS / "versions").glob("[0-9]*.py"))
    git("rev-parse", "HEAD")
    added = git("log", "--diff-filter=A", "--format=%H", "--", str(newest_file)).decode().split()
    return f"{added[0]}^" if added else "HEAD"  # it is not committed yet


def git(*words: str) -> bytes:
    try:
        git = ["git", "-c", f"safe.directory={ROOT}", *words]
        return subprocess.run(git, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode().strip() or str(error)
        pytest.skip(f"the code before the newest migration is not in a git history here: {said}")


AS_BEFORE = """
import api.__main__, recommender
assert [module.__file__.startswith({folder!r}) for module in (api.__main__, recommender)] == [True, True]
api.__main__.main()
"""


def test_the_api_before_the_newest_migration_answers_on_this_schema(
    start: Start, engines: PerRole[Engine], before: Path
) -> None:
    program = AS_BEFORE.format(folder=f"{before}/")
    ask_everything(start(("-c", program), PYTHONPATH=str(before)), engines.admin)
