"""A week on a real platform: its API over HTTP, its days as files, its verbs."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from recommender.local.postgres import Server
from simulator.errors import SimulatorError
from simulator.weeks.audience import Audience, midnight
from simulator.weeks.diary import Night
from simulator.weeks.platform import by_command
from simulator.weeks.programme import Programme
from simulator.weeks.run import Options, live
from simulator.weeks.world import Plan
from tests.simulator.weeks import platform, titles

OPENING = date(2026, 1, 5)
OPTIONS = Options(
    weeks=1,
    viewers=25,
    joining=1,
    named=10,
    new_titles=0.2,
    learns="daily",
    every=4,
    opening=OPENING,
    seed=3,
)
TITLES = 120


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return titles(tmp_path_factory.mktemp("titles"), TITLES)


@pytest.fixture(scope="module")
def programme(movies: Path) -> Programme:
    return Programme(movies.read_bytes(), movies.name, seed=3, days=7, joining=0.2)


@pytest.fixture(scope="module")
def audience(programme: Programme) -> Audience:
    return Audience(programme.movies, seed=3, opening=OPENING, viewers=25, joining=1)


Lived = tuple[dict[str, Any], list[Night], int]


@pytest.fixture(scope="module")
def lived(server: Server, template: str, movies: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """The record, what was told night by night, and how many ratings the platform has at the end."""
    nights: list[Night] = []
    with platform(server, template, tmp_path_factory.mktemp("weeks") / "week", "week") as place:
        record = live(movies, OPTIONS, place, nights.append)
        admin = create_engine(server.url("week"))
        with admin.connect() as connection:
            ratings = connection.execute(text("SELECT count(*) FROM movies_users_rating")).scalar_one()
        admin.dispose()
    return record, nights, ratings


def test_all_that_viewers_say_reaches_the_platform(lived: Lived, audience: Audience) -> None:
    record, nights, ratings = lived
    joined = record["about"]["joining"] * 7
    assert ratings == sum(night.ratings for night in nights) + joined * OPTIONS.named


def test_new_models_serve_as_they_are_published(lived: Lived) -> None:
    record, nights, _ = lived
    assert [night.day for night in nights if night.learned is not None] == [-1, 3]
    versions = [row["version"] for row in record["versions"]]
    assert len(versions) == sum(night.learned is True for night in nights) == 2


def test_days_weeks_and_versions_add_up_to_the_whole(lived: Lived) -> None:
    record, _, _ = lived
    whole = record["whole"]
    assert len(record["days"]) == 7
    for part in ("days", "weeks", "versions"):
        assert sum(row["lists"] for row in record[part]) == whole["lists"]
        regret = sum(row["lists"] * row["regret"] for row in record[part])
        assert regret == pytest.approx(whole["lists"] * whole["regret"], rel=1e-3)
    assert whole["regret"] > 0 and 0 < whole["ndcg"] < 1 and 0 < whole["taken"] < 1
    assert 7 <= record["newcomers"]["lists"] < whole["lists"]


def test_the_same_viewers_come_whatever_was_served(programme: Programme, audience: Audience) -> None:
    again = Audience(programme.movies, seed=3, opening=OPENING, viewers=25, joining=1)
    for visit in audience.visits(0):
        visit.rng.random(5)
        audience.stars(visit, 3)
    for day in (0, 4):
        ours, theirs = audience.visits(day), again.visits(day)
        assert [(v.number, v.moment, v.rng.random()) for v in ours] == [
            (v.number, v.moment, v.rng.random()) for v in theirs
        ]
        assert [audience.stars(v, 5) for v in ours] == [again.stars(v, 5) for v in theirs]


def test_a_day_has_its_visits_in_order_and_who_joins_comes_at_once(audience: Audience) -> None:
    begins = midnight(OPENING + timedelta(days=2))
    visits = audience.visits(2)
    moments = [visit.moment for visit in visits]
    assert moments == sorted(moments) and begins <= moments[0] <= moments[-1] < begins + 86_400
    assert [visit.number for visit in visits if visit.first] == [28]


def test_titles_join_day_by_day(programme: Programme) -> None:
    missing = [len(programme.missing(day)) for day in range(8)]
    assert missing == sorted(missing, reverse=True)
    assert 0.1 * TITLES < missing[0] < 0.3 * TITLES and missing[7] == 0
    for day in (0, 3, 7):
        assert programme.file(day).count(b"\n") == 1 + len(programme.titles(day)) == 1 + TITLES - missing[day]


def test_who_learns_daily_never_stops_and_who_learns_once_stops_when_a_model_passed() -> None:
    def nights(learns: Any, every: int, passes: int = -1) -> list[int]:
        plan = Plan(OPENING, 7, learns, every, named=10)
        return [day for day in range(-1, 7) if plan.learns_on(day, has_learned=day > passes)]

    assert nights("daily", 1) == [-1, 0, 1, 2, 3, 4, 5, 6]
    assert nights("daily", 3) == [-1, 2, 5]
    assert nights("once", 1) == [-1]
    assert nights("once", 1, passes=2) == [-1, 0, 1, 2]
    assert nights("never", 1) == []


def test_a_verb_is_done_has_nothing_to_do_or_stops_the_weeks() -> None:
    assert by_command('sh -c \'test "$1 $2" = "train x"\' sh')("train", "x")
    assert not by_command("sh -c 'exit 99'")("train")
    with pytest.raises(SimulatorError, match="failed: no disk"):
        by_command("sh -c 'echo no disk >&2; exit 3'")("train")
    with pytest.raises(SimulatorError, match="cannot be run"):
        by_command("./there-is-none")("train")
