"""Runs of verbs leave rows, and a verb never fails for them; the lists of a day are summed up once."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from recommender.cli import JOBS, VERBS, main
from recommender.exposure import gini, sum_up
from recommender.local.urls import PerRole
from recommender.spoken import SKIPPED

Run = Callable[..., Result]
TODAY = date(2026, 3, 10)
MOVIES = "INSERT INTO movies (title, title_key) SELECT n::text, n::text FROM generate_series(1, 10) n"
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def marquee(urls: PerRole[str], tmp_path: Path) -> Run:
    given = {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": f"{tmp_path}/data",
        "MODELS_URL": f"{tmp_path}/models",
        "MODEL_CACHE": f"{tmp_path}/cache",
        "TOMBSTONE_KEY": "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u",
    }
    return lambda *words, **changed: CliRunner().invoke(main, words, env=given | changed)


def select(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def runs(engines: PerRole[Engine]) -> list[tuple[Any, ...]]:
    return select(engines.admin, "SELECT verb, day, outcome FROM runs ORDER BY run_id")


def test_a_run_leaves_how_it_ended_and_how_long_it_took(marquee: Run, engines: PerRole[Engine]) -> None:
    assert marquee("tidy", "--day", "2026-03-10").exit_code == 0
    assert marquee("drift", "--day", "2026-03-09").exit_code == SKIPPED
    assert marquee("publish", "v1").exit_code == 1
    assert runs(engines) == [
        ("tidy", date(2026, 3, 10), "ok"),
        ("drift", date(2026, 3, 9), "skipped"),
        ("publish", None, "failed"),
    ]
    ((short, backwards),) = select(
        engines.admin, "SELECT bool_and(seconds < 60), bool_or(finished_at < started_at) FROM runs"
    )
    assert (short, backwards) == (True, False)


def test_a_word_that_no_verb_understands_is_no_run(marquee: Run, engines: PerRole[Engine]) -> None:
    assert marquee("drift", "--day", "yesterday").exit_code == 2
    assert runs(engines) == []


def test_a_verb_that_cannot_note_its_run_ends_as_it_would(marquee: Run, engines: PerRole[Engine]) -> None:
    with engines.admin.begin() as connection:
        connection.execute(text("DROP TABLE runs"))
    done = marquee("refold")
    assert (done.exit_code, done.stdout.count("\n"), done.stderr) == (SKIPPED, 1, "")
    missing = marquee("count", "--digest", "d", "--shard", "0", DATABASE_URL=NOWHERE)
    assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1), missing.stderr


def test_a_run_that_went_well_and_is_not_noted_is_said(
    marquee: Run, engines: PerRole[Engine], tmp_path: Path
) -> None:
    with engines.admin.begin() as connection:
        connection.execute(text("REVOKE INSERT ON runs FROM marquee_pipeline"))
    done = marquee("tidy", "--day", "2026-03-10")
    assert (done.exit_code, "This run is not noted: " in done.stderr) == (0, True), done.output


def test_verbs_that_only_look_are_no_jobs() -> None:
    looks = {verb.name for verb in VERBS if verb not in JOBS}
    assert looks >= {"status", "models", "model", "clients", "backups", "bench", "migrate", "roles"}


def test_runs_are_forgotten_after_ninety_days(marquee: Run, engines: PerRole[Engine]) -> None:
    with engines.admin.begin() as connection:
        for days in (89, 91):
            connection.execute(
                text(
                    "INSERT INTO runs (verb, started_at, finished_at, outcome, seconds)"
                    " VALUES ('load', now(), now() - make_interval(days => :days), 'ok', :days)"
                ),
                {"days": days},
            )
    assert marquee("tidy").exit_code == 0
    assert select(engines.admin, "SELECT seconds FROM runs WHERE verb = 'load'") == [(89.0,)]


def serve(engine: Engine, at: datetime, movie_ids: list[int], times: int = 1) -> None:
    with engine.begin() as connection:
        for n in range(times):
            row = {"id": UUID(int=int(at.timestamp() * 1000) << 80 | n), "at": at, "movies": movie_ids}
            connection.execute(
                text(
                    "INSERT INTO recommendations (recommendation_id, served_at, client_id, source, movie_ids)"
                    " SELECT :id, :at, client_id, 'model', :movies FROM clients"
                ),
                row,
            )


@pytest.fixture
def admin(engines: PerRole[Engine]) -> Engine:
    with engines.admin.begin() as connection:
        connection.execute(text("SELECT register_client('acme', 'Acme', 'a@example.org', 'h')"))
        connection.exec_driver_sql(MOVIES)
    return engines.admin


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def test_the_lists_of_a_day_are_summed_up_once_it_is_over(admin: Engine, engines: PerRole[Engine]) -> None:
    serve(admin, at(9, 0), [1, 2])
    serve(admin, at(9, 23), [1, 3])
    serve(admin, at(10, 0), [4])
    with engines.pipeline.begin() as connection:
        (made,) = sum_up(connection, TODAY)
    assert (made.day, made.lists, made.movies, made.catalogue) == (date(2026, 3, 9), 2, 3, 10)
    assert made.gini == pytest.approx(gini(np.array([2, 1, 1, 0, 0, 0, 0, 0, 0, 0])))
    with engines.pipeline.begin() as connection:
        assert sum_up(connection, TODAY) == []
    assert select(admin, "SELECT day, lists FROM exposure") == [(date(2026, 3, 9), 2)]


def test_days_that_were_missed_are_summed_up_afterwards(admin: Engine, engines: PerRole[Engine]) -> None:
    for day in (2, 3, 8):
        serve(admin, at(day), [1])
    with engines.pipeline.begin() as connection:
        assert [one.day.day for one in sum_up(connection, TODAY)] == [3, 8]


def test_of_too_many_lists_some_are_looked_at(admin: Engine, engines: PerRole[Engine]) -> None:
    serve(admin, at(9), [1, 2], times=40)
    with engines.pipeline.begin() as connection:
        (made,) = sum_up(connection, TODAY, most=10)
    assert (made.lists, made.movies) == (10, 2)


def test_tidy_says_what_it_summed_up(marquee: Run, admin: Engine) -> None:
    serve(admin, at(9), [1, 2])
    done = marquee("tidy", "--day", "2026-03-10", "--keep-months", "12")
    assert "2026-03-09: 1 lists served, 2 of 10 movies stood in one, Gini 0.80" in done.stdout, done.output


@pytest.mark.parametrize(
    ("times", "found"), [([3, 3, 3, 3], 0), ([0, 0, 0, 8], 0.75), ([0, 0], 0), ([], 0), ([1, 3], 0.25)]
)
def test_inequality_is_zero_of_equals_and_near_one_of_few(times: list[int], found: float) -> None:
    assert gini(np.array(times, np.int64)) == pytest.approx(found)
