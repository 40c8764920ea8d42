"""Clients apart by the database alone: connected as the API's role, with no check of ours in the way."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from recommender.local.urls import PerRole
from recommender.tables import metadata

OWNED = sorted(name for name, table in metadata.tables.items() if "client_id" in table.columns)
READ = [name for name in OWNED if name != "injections"]
SERVING_ROLES = ("marquee_api", "marquee_pipeline", "marquee_owner")


@dataclass(frozen=True)
class Two:
    """Clients A and B, each with a user who left a row in every table."""

    a: int
    b: int
    a_user: int
    b_user: int


FILL = """
    INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating) VALUES (:c, :u, :m, 4);
    INSERT INTO dismissals (client_id, user_id, movie_id) VALUES (:c, :u, :m);
    INSERT INTO feedback (client_id, user_id, recommendation_id, movie_id, event)
        VALUES (:c, :u, gen_random_uuid(), :m, 'shown');
    INSERT INTO recommendations (recommendation_id, served_at, client_id, user_id, source, movie_ids)
        VALUES (gen_random_uuid(), now(), :c, :u, 'popular', '{}');
    INSERT INTO idempotency_keys (client_id, key, request_digest, user_id) VALUES (:c, 'k', '', :u);
    INSERT INTO tombstones (client_id, digest) VALUES (:c, 'd');
    INSERT INTO injections (client_id, source, file, sha256) VALUES (:c, 's', 'f', 'x');
    INSERT INTO rejects (injection_id, client_id, file, line, rule, row)
        SELECT injection_id, client_id, 'f', 1, 'r', 'x' FROM injections WHERE client_id = :c;
    INSERT INTO nightly_lists (client_id, user_id, day, source, movie_ids, scores)
        VALUES (:c, :u, '2026-01-01', 'model', '{}', '{}');
"""


def _client(connection: Connection, name: str, movie: int) -> tuple[int, int]:
    register = text("SELECT register_client(:name, :name, :name || '@example.org', 'hash')")
    client = connection.execute(register, {"name": name}).scalar_one()
    new_user = text("INSERT INTO users (client_id) VALUES (:c) RETURNING user_id")
    user = connection.execute(new_user, {"c": client})
    row = {"c": client, "u": user.scalar_one(), "m": movie}
    for statement in FILL.split(";")[:-1]:
        connection.execute(text(statement), row)
    return client, row["u"]


@pytest.fixture
def two(engines: PerRole[Engine]) -> Two:
    with engines.admin.begin() as connection:
        movie = text("INSERT INTO movies (title, title_key) VALUES ('Alien', 'alien') RETURNING movie_id")
        movie_id = connection.execute(movie).scalar_one()
        a, a_user = _client(connection, "a", movie_id)
        b, b_user = _client(connection, "b", movie_id)
    return Two(a, b, a_user, b_user)


@pytest.fixture
def as_b(engines: PerRole[Engine], two: Two) -> Iterator[Connection]:
    with engines.api.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == "marquee_api"
        connection.execute(text("SELECT enter_client(:b)"), {"b": two.b})
        yield connection


@pytest.mark.parametrize("role", SERVING_ROLES)
def test_a_role_is_neither_superuser_nor_bypasses_row_security(engines: PerRole[Engine], role: str) -> None:
    rights = text("""
        SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = :role
    """)
    with engines.admin.connect() as connection:
        assert tuple(connection.execute(rights, {"role": role}).one()) == (False, False, False, False)


@pytest.mark.parametrize("role", ["marquee_api", "marquee_pipeline"])
def test_who_serves_and_loads_owns_nothing(engines: PerRole[Engine], role: str) -> None:
    owned = text("SELECT count(*) FROM pg_class WHERE relowner = CAST(:role AS regrole)")
    with engines.admin.connect() as connection:
        assert connection.scalar(owned, {"role": role}) == 0


@pytest.mark.parametrize("table", OWNED)
def test_row_security_is_on_and_forced(engines: PerRole[Engine], table: str) -> None:
    flags = text("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = CAST(:t AS regclass)")
    with engines.admin.connect() as connection:
        assert tuple(connection.execute(flags, {"t": table}).one()) == (True, True)


@pytest.mark.parametrize("table", READ)
def test_a_client_sees_its_own_rows_and_no_others(as_b: Connection, two: Two, table: str) -> None:
    assert set(as_b.execute(text(f"SELECT client_id FROM {table}")).scalars()) == {two.b}


@pytest.mark.parametrize("table", READ)
def test_without_a_client_nothing_is_seen(engines: PerRole[Engine], two: Two, table: str) -> None:
    with engines.api.connect() as connection:
        assert connection.execute(text(f"SELECT client_id FROM {table}")).all() == []


def test_the_api_does_not_read_injections(as_b: Connection) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        as_b.execute(text("SELECT * FROM injections"))


PERSONAL = {"client_id", "username", "email", "client", "user_id", "external_id", "file", "row", "reason"}


def test_what_the_api_reads_across_clients_names_nobody(engines: PerRole[Engine]) -> None:
    columns = text("""
        SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'figures'
    """)
    with engines.admin.connect() as connection:
        found = connection.execute(columns).all()
    assert {view for view, _ in found} == {"newest_day", "newest_day_rejects", "newest_lists", "last_days"}
    assert [column for column in found if column[1] in PERSONAL] == []


def test_a_day_is_told_as_one_sum_over_clients(engines: PerRole[Engine], two: Two) -> None:
    day = text("""
        UPDATE injections SET day = '2026-01-02', rows_read = client_id + 100, finished_at = now()
    """)
    with engines.admin.begin() as connection:
        connection.execute(day)
    with engines.api.connect() as connection:
        read = connection.execute(text("SELECT read FROM figures.last_days")).scalars().all()
    assert read == [two.a + two.b + 200]


def test_another_clients_user_cannot_be_changed_or_deleted(as_b: Connection, two: Two) -> None:
    user = {"u": two.a_user}
    assert as_b.execute(text("UPDATE users SET external_id = 'x' WHERE user_id = :u"), user).rowcount == 0
    assert as_b.execute(text("DELETE FROM users WHERE user_id = :u"), user).rowcount == 0
    assert (
        as_b.execute(text("UPDATE movies_users_rating SET rating = 1 WHERE user_id = :u"), user).rowcount == 0
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users (client_id) VALUES (:a)",
        "UPDATE users SET client_id = :a",
        "INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating) VALUES (:a, :au, 1, 5)",
    ],
)
def test_a_row_cannot_be_written_for_another_client(as_b: Connection, two: Two, statement: str) -> None:
    with pytest.raises(DBAPIError, match="row-level security"):
        as_b.execute(text(statement), {"a": two.a, "au": two.a_user})


def test_a_rating_cannot_name_another_clients_user(as_b: Connection, two: Two) -> None:
    statement = (
        "INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating) VALUES (:b, :au, 1, 5)"
    )
    with pytest.raises(IntegrityError):
        as_b.execute(text(statement), {"b": two.b, "au": two.a_user})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT password_hash FROM clients",
        "SELECT email FROM clients",
        "DELETE FROM movies_users_rating",
        "DELETE FROM recommendations",
        "SELECT * FROM recommendations_other",
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "UPDATE serving SET champion = NULL",
        "UPDATE clients SET status = 'active'",
        "SELECT drop_log_partitions('2100-01-01')",
    ],
)
def test_the_api_may_not(as_b: Connection, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        as_b.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT password_hash FROM clients",
        "SELECT email FROM clients",
        "DELETE FROM users",
        "DELETE FROM feedback",
    ],
)
def test_the_pipeline_may_not(engines: PerRole[Engine], statement: str) -> None:
    with engines.pipeline.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text(statement))


def test_the_owner_sees_no_users(engines: PerRole[Engine], two: Two) -> None:
    with engines.owner.connect() as connection:
        assert connection.execute(text("SELECT user_id FROM users")).all() == []


def test_a_deleted_user_is_gone_from_every_table(
    engines: PerRole[Engine], as_b: Connection, two: Two
) -> None:
    as_b.execute(text("DELETE FROM users WHERE user_id = :u"), {"u": two.b_user})
    as_b.commit()
    with engines.admin.connect() as connection:
        for name, table in metadata.tables.items():
            if "user_id" in table.columns:
                left = text(f"SELECT count(*) FROM {name} WHERE user_id = :u")
                assert connection.scalar(left, {"u": two.b_user}) == 0, name
