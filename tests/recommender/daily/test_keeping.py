from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recommender.daily.fetching import fetch
from recommender.daily.keeping import drop_old_days
from recommender.daily.loading import load
from recommender.days import INCOMING, PROCESSED, RAW
from recommender.local.urls import PerRole
from tests.recommender.incoming import DAY, KEY, MOVIES, NOON, Days, ratings, silent

NOW = datetime(2026, 2, 3, tzinfo=UTC)
FILES = {"movies.csv": MOVIES, "acme/ratings.csv": ratings(f"7,1,4,{NOON}")}


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    return Days.at(engines, tmp_path)


def dropped(days: Days, before: int) -> list[str]:
    return drop_old_days(days.engines.pipeline, days.data, DAY + timedelta(days=before))


def test_an_old_day_that_is_loaded_goes_and_what_came_in_stays(days: Days) -> None:
    days.take(FILES)
    load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)
    assert dropped(days, 0) == []
    assert dropped(days, 1) == [str(DAY)]
    assert (days.data.names(RAW), days.data.names(PROCESSED)) == ([], [])
    assert days.data.names(INCOMING) == [str(DAY)]
    assert dropped(days, 1) == []


def test_a_day_that_was_never_loaded_or_only_in_part_stays(days: Days) -> None:
    days.take(FILES)
    assert dropped(days, 9) == []
    load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)
    days.send(
        {"movies.csv": MOVIES, **{f"{c}/ratings.csv": ratings(f"7,2,4,{NOON}") for c in ("acme", "bolt")}}
    )
    fetch(days.data, DAY, silent, reason="another client came late")
    days.process()
    assert dropped(days, 9) == []


def test_a_day_that_went_can_be_taken_in_again(days: Days) -> None:
    days.take(FILES)
    load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)
    dropped(days, 1)
    fetch(days.data, DAY, silent)
    days.process()
    again = load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)
    assert (again.counts.loaded, again.counts.unchanged) == (0, 1)
