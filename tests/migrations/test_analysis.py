"""The views for analysts: figures over all clients, and nothing of anybody's, whatever the tables hold."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from recommender.database import open_engine
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from recommender.roles import ANALYST, VIEWS, url_for
from recommender.tables import metadata
from tests.conftest import PASSWORDS, database

NAMES = """
    clients users_daily served_daily feedback_daily nightly_lists_daily days rejects_daily models publications
    drift movies
""".split()  # noqa: SIM905 - reads as a list
TABLES = [*metadata.tables, "alembic_version", "recommendations_other", "recommendations_2026_01"]
USER, EXTERNAL, EMAIL, HASH = (
    424_242_424,
    "zoë-of-the-harbour",
    "ops@secret.example.org",
    "argon2-of-a-client",
)
DIGEST, ROW, FILE = b"digest-of-the-deleted", "zoë-of-the-harbour,1,5,0", "who/sent/this.csv"
PERSONAL = (str(USER)[:-1], EXTERNAL, EMAIL, HASH, DIGEST.decode(), DIGEST.hex(), FILE, "s3://bucket/model")

# Two clients, each with a row in every table.
FILL = """
    INSERT INTO models (version, card, artifact_url) VALUES ('v1', '{}', 's3://bucket/model');
    INSERT INTO publications (version, kind) VALUES ('v1', 'gate');
    UPDATE serving SET champion = 'v1';
    INSERT INTO drift VALUES ('2026-01-01', 'v1', 'stars', 0.1, 0.01, 5000);
    INSERT INTO movies (title, title_key, year, ratings_count) VALUES ('Alien', 'alien', 1979, 3);
    INSERT INTO genres (name) VALUES ('Horror'), ('Adventure');
    INSERT INTO movie_genres SELECT movie_id, genre_id FROM movies, genres;
    SELECT register_client('acme', 'Acme', :email, :hash);
    SELECT register_client('bolt', 'Bolt', 'b' || :email, :hash);
    INSERT INTO users (user_id, client_id, external_id, created_at) OVERRIDING SYSTEM VALUE
        SELECT :user + client_id, client_id, :external, '2026-01-01 23:30Z' FROM clients;
    INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating)
        SELECT client_id, user_id, 1, 5 FROM users;
    INSERT INTO dismissals (client_id, user_id, movie_id) SELECT client_id, user_id, 1 FROM users;
    INSERT INTO recommendations (recommendation_id, served_at, client_id, user_id, version, source, movie_ids)
        SELECT md5(user_id::text || n)::uuid, '2026-01-02Z', client_id, user_id, 'v1', 'model', '{1,1,1}'
        FROM users, generate_series(1, 2) n;
    INSERT INTO feedback (client_id, user_id, recommendation_id, movie_id, event, rating, received_at)
        SELECT client_id, user_id, recommendation_id, 1, 'rated', 4, '2026-01-03 12:00Z' FROM recommendations;
    INSERT INTO feedback (client_id, user_id, recommendation_id, movie_id, event, received_at)
        SELECT client_id, user_id, gen_random_uuid(), 1, 'shown', '2026-01-03 12:00Z' FROM users;
    INSERT INTO idempotency_keys (client_id, key, request_digest, user_id)
        SELECT client_id, :external, '', user_id FROM users;
    INSERT INTO tombstones (client_id, digest) SELECT client_id, :digest FROM clients;
    INSERT INTO injections (client_id, source, file, sha256, day, rows_read, rows_rejected)
        SELECT client_id, 'starter', :file, 'x', '2026-01-01', 9, 2 FROM clients;
    INSERT INTO rejects (injection_id, client_id, external_id, file, line, rule, row)
        SELECT injection_id, client_id, :external, :file, line, 'bad_user', :row
        FROM injections, generate_series(1, 2) line;
    INSERT INTO nightly_lists (client_id, user_id, day, version, source, movie_ids, scores)
        SELECT client_id, user_id, '2026-01-01', 'v1', 'model', '{1}', '{0.5}' FROM users;
"""


@pytest.fixture(scope="module")
def filled(server: Server, template: str) -> Iterator[PerRole[Engine]]:
    values = {"user": USER, "external": EXTERNAL, "email": EMAIL, "hash": HASH, "digest": DIGEST}
    with database(server, template) as urls:
        engines = urls.map(open_engine)
        with engines.pipeline.begin() as connection:
            connection.execute(text("SELECT make_log_partitions('2026-01-01', 1)"))
        with engines.admin.begin() as connection:
            for statement in FILL.split(";")[:-1]:
                escaped = text(statement.replace("::", r"\:\:"))
                connection.execute(escaped, values | {"file": FILE, "row": ROW})
        yield engines
        engines.map(Engine.dispose)


@pytest.fixture
def analyst(filled: PerRole[Engine]) -> Iterator[Connection]:
    url = filled.admin.url.render_as_string(hide_password=False)
    engine = create_engine(url_for(url, ANALYST, PASSWORDS[ANALYST]))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def read(connection: Connection, view: str) -> list[dict[str, object]]:
    found = connection.execute(text(f"SELECT to_jsonb(v) FROM analysis.{view} v"))
    return [dict(row) for row in found.scalars()]


def test_every_view_has_a_test_here(analyst: Connection) -> None:
    views = text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'analysis'")
    assert sorted(analyst.scalars(views)) == sorted(NAMES)


@pytest.mark.parametrize("view", NAMES)
def test_a_view_is_read_over_all_clients_and_shows_nothing_personal(analyst: Connection, view: str) -> None:
    rows = read(analyst, view)
    assert rows
    if "client" in rows[0]:
        assert {row["client"] for row in rows} == {"acme", "bolt"}
    told = json.dumps(rows, ensure_ascii=False)
    assert [secret for secret in PERSONAL if secret in told] == []
    assert not {"user_id", "external_id", "row", "card", "artifact_url"} & rows[0].keys()


def test_what_was_served_and_what_came_of_it_are_counted_by_day(analyst: Connection) -> None:
    ours = {"client": "acme", "source": "model", "version": "v1"}
    served = {"day": "2026-01-02", "lists": 2, "movies": 6, **ours}
    assert [row for row in read(analyst, "served_daily") if row["client"] == "acme"] == [served]
    rated, lost = sorted(
        (row for row in read(analyst, "feedback_daily") if row["client"] == "acme"),
        key=lambda r: str(r["event"]),
    )
    assert rated == {"day": "2026-01-03", "event": "rated", "events": 2, "mean_rating": 4, **ours}
    assert (lost["event"], lost["events"], lost["version"]) == ("shown", 1, None)


def test_days_are_those_of_utc_and_rejects_are_counted_by_rule(analyst: Connection) -> None:
    joined = [row for row in read(analyst, "users_daily") if row["client"] == "acme"]
    assert joined == [{"joined": "2026-01-01", "client": "acme", "users": 1}]
    rejects = [row for row in read(analyst, "rejects_daily") if row["client"] == "acme"]
    expected = {"day": "2026-01-01", "client": "acme", "source": "starter", "rule": "bad_user", "rows": 2}
    assert rejects == [expected]
    (day,) = [row for row in read(analyst, "days") if row["client"] == "acme"]
    assert (day["files"], day["unfinished"], day["rows_read"], day["rows_rejected"]) == (1, 1, 9, 2)


def test_models_and_movies_say_what_serves_and_what_is_popular(analyst: Connection) -> None:
    (model,) = read(analyst, "models")
    assert (model["version"], model["champion"]) == ("v1", True)
    (movie,) = read(analyst, "movies")
    assert (movie["title"], movie["ratings_count"], movie["genres"]) == ("Alien", 3, ["Adventure", "Horror"])


@pytest.mark.parametrize("table", TABLES)
def test_the_analyst_reads_no_table(analyst: Connection, table: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        analyst.execute(text(f"SELECT 1 FROM {table}"))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO analysis.drift VALUES ('2026-01-02', 'v1', 'm', 0, 0, 1)",
        "UPDATE analysis.publications SET kind = 'forced'",
        "DELETE FROM analysis.clients",
        "INSERT INTO genres (name) VALUES ('Western')",
        "UPDATE serving SET champion = NULL",
        "CREATE TABLE analysis.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "SELECT enter_client(1)",
        "SELECT client_for_token('acme')",
        "SET ROLE marquee_views",
        "SET ROLE marquee_owner",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_the_analyst_may_not(analyst: Connection, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        analyst.execute(text(statement))


def test_nobody_logs_in_as_the_owner_of_the_views_and_it_may_nothing_else(filled: PerRole[Engine]) -> None:
    rights = text("""
        SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,
            has_schema_privilege(rolname, 'analysis', 'CREATE'), pg_has_role('marquee_analyst', oid, 'MEMBER')
        FROM pg_roles WHERE rolname = :role
    """)
    with filled.admin.connect() as connection:
        assert set(connection.execute(rights, {"role": VIEWS}).one()) == {False}


@pytest.mark.parametrize("column", ["users.user_id", "users.external_id", "users.preferences", "users.taste"])
def test_the_views_could_not_read_a_user_if_they_wanted_to(filled: PerRole[Engine], column: str) -> None:
    table, name = column.split(".")
    with filled.admin.connect() as connection:
        connection.execute(text(f"SET ROLE {VIEWS}"))
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text(f"SELECT {name} FROM {table}"))


@pytest.mark.parametrize(
    "table",
    ["movies_users_rating", "dismissals", "tombstones", "idempotency_keys", "movie_credits", "people"],
)
def test_the_views_have_no_right_on_what_they_do_not_need(filled: PerRole[Engine], table: str) -> None:
    held = text("SELECT has_any_column_privilege(:role, :table, 'SELECT, INSERT, UPDATE')")
    with filled.admin.connect() as connection:
        assert connection.scalar(held, {"role": VIEWS, "table": table}) is False


def test_the_owner_still_sees_no_users(filled: PerRole[Engine]) -> None:
    """It may make views for another role, and does not inherit what that one sees."""
    with filled.owner.connect() as connection:
        assert connection.execute(text("SELECT * FROM users")).all() == []
