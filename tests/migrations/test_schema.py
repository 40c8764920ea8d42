"""The schema as the migrations make it: it goes up, down and up, and is what tables.py says."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from recommender.database import alembic_config
from recommender.local.urls import PerRole
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


def test_a_served_list_goes_to_the_partition_of_its_month(engines: PerRole[Engine]) -> None:
    with engines.pipeline.begin() as connection:
        connection.execute(text("SELECT make_log_partitions('2026-01-01', 1)"))
    statement = text("""
        INSERT INTO recommendations (recommendation_id, served_at, client_id, source, movie_ids)
        SELECT gen_random_uuid(), moment, register_client('c', 'C', 'c@example.org', 'h'), 'popular', '{}'
        FROM (VALUES (timestamptz '2026-01-31 23:59:59Z')) AS v (moment)
    """)
    with engines.admin.begin() as connection:
        connection.execute(statement)
        assert connection.scalar(text("SELECT count(*) FROM recommendations_2026_01")) == 1
