"""`marquee migrate`: two at once, a schema that is newer, tables in use, a server that is late."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from recommender.database import open_engine, wait_for_server
from recommender.errors import Busy, Failed
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from recommender.schema import alembic_config, migrate, newest
from tests.ports import free_port

DONE = "The schema is at its newest version."


@pytest.fixture(autouse=True)
def as_owner(urls: PerRole[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", urls.owner)


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


def test_a_newer_schema_is_said_and_left_as_it_is(engines: PerRole[Engine]) -> None:
    set_revision(engines.owner, "9999")
    assert migrate() == f"The schema is newer (9999) than this code knows ({newest()}): it is left as it is."
    with engines.owner.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


@pytest.mark.parametrize("revision", ["0000", "abcd", "99999", "zzzz"])
def test_a_revision_that_is_neither_known_nor_newer_is_a_failure(
    engines: PerRole[Engine], revision: str
) -> None:
    set_revision(engines.owner, revision)
    with pytest.raises(Failed, match=rf"The schema was not changed: .*{revision}"):
        migrate()


def marquee(*words: str, **settings: str) -> "subprocess.Popen[str]":
    program = [sys.executable, "-c", "from recommender.cli import main; main()", *words]
    given = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **settings}
    return subprocess.Popen(program, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(child: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = child.communicate(timeout=120)
    return child.returncode, said


def test_two_at_once_make_the_schema_once(engines: PerRole[Engine], urls: PerRole[str]) -> None:
    command.downgrade(alembic_config(), "base")
    children = [marquee("migrate", DATABASE_URL=urls.owner) for _ in range(2)]
    ends = [end(child) for child in children]
    assert [(status, said.splitlines()[-1]) for status, said in ends] == [(0, DONE)] * 2
    assert "publications" in inspect(engines.owner).get_table_names()


def test_the_password_may_be_where_libpq_finds_it(
    urls: PerRole[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(urls.owner)
    bare = f"postgresql://{url.username}@{url.host}:{url.port}/{url.database}"
    monkeypatch.setenv("DATABASE_URL", bare)
    monkeypatch.setenv("PGPASSWORD", str(url.password))
    assert migrate() == DONE
    monkeypatch.setenv("PGPASSWORD", "another password")
    with pytest.raises(OperationalError, match="password authentication failed"):
        migrate()


def test_who_uses_a_table_is_waited_for_and_nobody_queues_behind_the_wait(engines: PerRole[Engine]) -> None:
    command.downgrade(alembic_config(), "0002")
    told, waits = list[str](), threading.Event()

    def tell(sentence: str) -> None:
        told.append(sentence)
        waits.set()

    with ThreadPoolExecutor(1) as thread, engines.pipeline.connect() as long:
        long.execute(text("SELECT count(*) FROM users"))
        migrating = thread.submit(migrate, say=tell)
        assert waits.wait(60)
        with engines.api.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1s'"))  # longer than a migration's
            connection.execute(text("SELECT count(*) FROM users"))
        long.rollback()
        assert migrating.result(60) == DONE
    assert set(told) == {"Somebody migrates too, or uses a table that must be changed: trying again."}


@pytest.mark.parametrize(
    "held", ["SELECT count(*) FROM users", "SELECT pg_advisory_lock(hashtext('marquee.migrate'))"]
)
def test_what_is_never_free_ends_the_wait(engines: PerRole[Engine], held: str) -> None:
    """A table, or the turn of another run."""
    command.downgrade(alembic_config(), "0002")
    with engines.pipeline.connect() as long:
        long.execute(text(held))
        with pytest.raises(Busy, match="The schema was not changed: somebody else migrates, or uses a table"):
            migrate(patience_s=0)


# a server that does not answer yet


@pytest.fixture
def late(tmp_path: Path) -> Iterator[Server]:
    """Its port is known before it is started."""
    server = Server(tmp_path / "postgres", "secret", tmp_path / "log", {"fsync": "off"})
    server.place.folder.mkdir(parents=True)
    (server.place.folder / "port").write_text(str(free_port()))
    yield server
    server.stop()


def test_a_server_that_is_late_is_waited_for_with_a_word(late: Server) -> None:
    child = marquee("roles", "--wait", "120", DATABASE_URL=late.url(), **PASSWORDS)
    assert child.stdout
    assert child.stdout.readline().startswith("Waiting for the database: ")
    late.start()
    status, said = end(child)
    assert (status, "are there." in said) == (0, True), said


PASSWORDS = {f"{role}_PASSWORD": f"Kq7-{role}-9vX2mN4w" for role in ("OWNER", "API", "PIPELINE")}


def test_without_wait_a_server_that_is_away_is_a_failure_at_once() -> None:
    said = list[str]()
    engine = open_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    wait_for_server(engine, 0, said.append)
    assert said == []
    status, told = end(marquee("migrate", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"))
    assert (status, told.startswith("marquee: The database does not answer: ")) == (1, True)


@pytest.mark.parametrize("change", [{"password": "guess"}, {"database": "nowhere"}])
def test_a_server_that_says_no_is_not_waited_for(urls: PerRole[str], change: dict[str, str]) -> None:
    """A wait that is too long to end would time out here."""
    url = make_url(urls.owner).set(**change).render_as_string(hide_password=False)  # type: ignore[arg-type]
    status, told = end(marquee("migrate", "--wait", "100000", DATABASE_URL=url))
    assert status == 1
    assert "Waiting" not in told and "FATAL: " in told
