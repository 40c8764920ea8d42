"""The schema as the migrations make it: it goes up, down and up, and is what tables.py says."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from recommender.local.urls import PerRole
from recommender.schema import alembic_config
from recommender.tables import Vector, metadata

PARTITIONS = "recommendations_"


@pytest.fixture
def owner_environment(urls: PerRole[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", urls.owner)


def differences(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setitem(PGDialect.ischema_names, "vector", Vector)
    options = {"compare_type": True, "compare_server_default": True, "include_name": _is_no_partition}
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _is_no_partition(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith(PARTITIONS))


def test_migrations_make_what_the_table_definitions_say(
    engines: PerRole[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert differences(engines.owner, monkeypatch) == []


@pytest.mark.usefixtures("owner_environment")
def test_the_schema_goes_down_to_nothing_and_up_again(
    engines: PerRole[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    command.downgrade(alembic_config(), "base")
    assert set(inspect(engines.owner).get_table_names()) == {"alembic_version"}
    command.upgrade(alembic_config(), "head")
    assert differences(engines.owner, monkeypatch) == []


def test_a_downgrade_leaves_no_function(
    engines: PerRole[Engine], urls: PerRole[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", urls.owner)
    command.downgrade(alembic_config(), "base")
    ours = text("SELECT proname FROM pg_proc WHERE proowner = 'marquee_owner'::regrole")
    with engines.admin.connect() as connection:
        assert connection.execute(ours).all() == []


def test_log_partitions_are_made_once_and_dropped_when_old(engines: PerRole[Engine]) -> None:
    with engines.pipeline.begin() as connection:
        assert connection.scalar(text("SELECT make_log_partitions('2026-01-15', 3)")) == 3
        assert connection.scalar(text("SELECT make_log_partitions('2026-01-01', 3)")) == 0
        assert connection.scalar(text("SELECT drop_log_partitions('2026-02-28')")) == 1
    tables = inspect(engines.owner).get_table_names()
    assert {name for name in tables if name.startswith(PARTITIONS)} == {
        "recommendations_2026_02",
        "recommendations_2026_03",
        "recommendations_other",
    }


SERVE = text("""
    INSERT INTO recommendations (recommendation_id, served_at, client_id, source, movie_ids)
    SELECT gen_random_uuid(), CAST(:moment AS timestamptz), client_id, 'popular', '{}' FROM clients
""")
LAST_OF_JANUARY, FIRST_OF_FEBRUARY = "2026-01-31 23:59:59.999Z", "2026-02-01 00:00:00Z"


def test_a_served_list_stands_in_the_partition_of_its_month(engines: PerRole[Engine]) -> None:
    """Also one that was written before the month had a partition."""
    with engines.admin.begin() as connection:
        connection.execute(text("SELECT register_client('c', 'C', 'c@example.org', 'h')"))
        connection.execute(SERVE, {"moment": LAST_OF_JANUARY})
        connection.execute(SERVE, {"moment": FIRST_OF_FEBRUARY})
    with engines.pipeline.begin() as connection:
        connection.execute(text("SELECT make_log_partitions('2026-01-01', 1)"))
    with engines.admin.begin() as connection:
        connection.execute(SERVE, {"moment": LAST_OF_JANUARY})
        counted = {
            name: connection.scalar(text(f"SELECT count(*) FROM {name}"))
            for name in ("recommendations_2026_01", "recommendations_other")
        }
    assert counted == {"recommendations_2026_01": 2, "recommendations_other": 1}


def test_lists_of_known_users_move_into_a_month_that_is_made_after_them(engines: PerRole[Engine]) -> None:
    with engines.admin.begin() as connection:
        connection.execute(text("SELECT register_client('c', 'C', 'c@example.org', 'h')"))
        connection.execute(text("INSERT INTO users (client_id) SELECT client_id FROM clients"))
        connection.execute(SERVE, {"moment": LAST_OF_JANUARY})
        connection.execute(text("UPDATE recommendations SET user_id = (SELECT user_id FROM users)"))
    with engines.pipeline.begin() as connection:
        connection.execute(text("SELECT make_log_partitions('2026-01-01', 1)"))
    with engines.admin.begin() as connection:
        assert connection.scalar(text("SELECT count(user_id) FROM recommendations_2026_01")) == 1
        connection.execute(text("DELETE FROM users"))
        assert connection.scalar(text("SELECT count(*) FROM recommendations")) == 0
    assert "recommendations_2026_01_waiting" not in inspect(engines.owner).get_table_names()


def test_a_user_who_is_deleted_leaves_the_partitions_too(engines: PerRole[Engine]) -> None:
    with engines.pipeline.begin() as connection:
        connection.execute(text("SELECT make_log_partitions('2026-01-01', 1)"))
    with engines.admin.begin() as connection:
        connection.execute(text("SELECT register_client('c', 'C', 'c@example.org', 'h')"))
        connection.execute(text("INSERT INTO users (client_id) SELECT client_id FROM clients"))
        connection.execute(SERVE, {"moment": LAST_OF_JANUARY})
        connection.execute(text("UPDATE recommendations SET user_id = (SELECT user_id FROM users)"))
        connection.execute(text("DELETE FROM users"))
        assert connection.scalar(text("SELECT count(*) FROM recommendations")) == 0
