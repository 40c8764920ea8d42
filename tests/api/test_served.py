"""The log of what was served: written a little later, by a thread that nothing ends."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from sqlalchemy import Engine, text

from api.metrics import Metrics
from api.served import HELD, Served, ServedLog, new_id
from recommender import accounts
from recommender.database import client_scope, open_engine
from recommender.deletions import delete_user
from recommender.local.urls import PerRole
from recommender.users import ids_of_names
from tests.api.conftest import Service, eventually, run

NOWHERE = "postgresql+psycopg2://nobody@127.0.0.1:1/none"
KEY = "k" * 32
Make = Callable[[Engine], ServedLog]


@pytest.fixture
def opened(metrics: Metrics) -> Iterator[Make]:
    """A log with its thread, ended afterwards whatever the test found."""
    logs: list[ServedLog] = []

    def make(engine: Engine) -> ServedLog:
        logs.append(ServedLog(engine, metrics))
        logs[-1].open()
        return logs[-1]

    yield make
    for log in logs:
        log.close()


@pytest.fixture
def client_id(engines: PerRole[Engine]) -> int:
    with engines.owner.begin() as connection:
        return accounts.register(connection, "northflix", "Northflix", "ops@northflix.example.com", "hash")


def served(client_id: int, user_id: int | None = None, **changed: Any) -> Served:
    fields = {"version": None, "source": "popular", "movie_ids": [1, 2]} | changed
    return Served(new_id(user_id), client_id, user_id, **fields)


def rows(engine: Engine) -> list[tuple[Any, ...]]:
    query = "SELECT recommendation_id, user_id, version, source, movie_ids FROM recommendations"
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def count(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"marquee_{name}_total", labels) or 0


def new_user(engines: PerRole[Engine], client_id: int, name: str) -> int:
    with client_scope(engines.api, client_id) as connection:
        return ids_of_names(connection, client_id, [name])[0][name]


def test_a_list_is_logged_as_it_was_answered(stocked: Service) -> None:
    asked = {"history": [{"title": "The Matrix (1999)"}], "k": 3}
    answer = stocked.client().post("/recommendations", json=asked).json()
    engine = open_engine(stocked.urls.admin)
    eventually(lambda: answer["recommendation_id"] in {str(row[0]) for row in rows(engine)})
    logged = next(row for row in rows(engine) if str(row[0]) == answer["recommendation_id"])
    engine.dispose()
    movie_ids = [movie["movie_id"] for movie in answer["recommendations"]]
    assert logged[1:] == (answer["user_id"], answer["model_version"], "model", movie_ids)


def test_a_row_of_a_user_deleted_meanwhile_is_not_written(
    engines: PerRole[Engine], metrics: Metrics, client_id: int
) -> None:
    stays, goes = (new_user(engines, client_id, name) for name in ("stays", "goes"))
    log = ServedLog(engines.api, metrics)
    for user_id in (stays, goes, None):
        log.put(served(client_id, user_id))
    with client_scope(engines.api, client_id) as connection:
        delete_user(connection, client_id, goes, KEY)
    log.write()
    assert [row[1] for row in rows(engines.admin)] == [stays, None]


def test_the_log_goes_on_after_a_read_only_spell(
    engines: PerRole[Engine], metrics: Metrics, client_id: int, opened: Make, caplog: pytest.LogCaptureFixture
) -> None:
    name = engines.admin.url.database
    run(engines.admin, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    log = opened(engines.api)
    log.put(served(client_id))
    eventually(lambda: "1 rows of the log wait" in caplog.text)
    assert rows(engines.admin) == []
    run(engines.admin, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    run(
        engines.admin,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = 'marquee_api'",
    )
    eventually(lambda: len(rows(engines.admin)) == 1)
    assert count(metrics, "served_log_dropped") == 0
    assert count(metrics, "background_failures", thread="served") == 0


def test_an_error_nobody_foresaw_costs_its_batch_and_not_the_thread(
    engines: PerRole[Engine], metrics: Metrics, client_id: int, opened: Make, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened(engines.api)
    log.put(served(client_id, movie_ids=[cast(int, object())]))
    eventually(lambda: count(metrics, "background_failures", thread="served") == 1)
    eventually(lambda: "the thread served goes on" in caplog.text)
    log.put(served(client_id))
    eventually(lambda: len(rows(engines.admin)) == 1)
    assert count(metrics, "served_log_dropped") == 1


def test_what_waits_when_the_process_ends_is_written(
    engines: PerRole[Engine], metrics: Metrics, client_id: int
) -> None:
    log = ServedLog(engines.api, metrics)
    log.open()
    log.put(served(client_id))
    log.close()
    assert len(rows(engines.admin)) == 1
    assert count(metrics, "served_log_dropped") == 0


def test_what_cannot_be_written_when_the_process_ends_is_counted(metrics: Metrics) -> None:
    engine = open_engine(NOWHERE)
    log = ServedLog(engine, metrics)
    log.open()
    for _ in range(2):
        log.put(served(1))
    log.close()
    engine.dispose()
    assert count(metrics, "served_log_dropped") == 2


def test_when_too_many_wait_the_oldest_are_dropped_and_counted(metrics: Metrics) -> None:
    engine = open_engine(NOWHERE)
    log = ServedLog(engine, metrics)
    for _ in range(HELD + 3):
        log.put(served(1))
    engine.dispose()
    assert count(metrics, "served_log_dropped") == 3
