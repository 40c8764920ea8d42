"""What each day holds and what state it is in; and the verbs that bring it there, as a person runs them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from recommender.cli import main
from recommender.daily.day_status import DayStatus, State, details, read_statuses, table
from recommender.daily.fetching import fetch
from recommender.daily.loading import load
from recommender.days import INCOMING, NOT_INJECTED, PROCESSED, RAW
from recommender.errors import Rejected
from recommender.local.urls import PerRole
from tests.recommender.incoming import DAY, KEY, MOVIES, NOON, Days, ratings, silent

NOW = datetime(2026, 2, 1, 7, tzinfo=UTC)
ROWS = ratings(f"7,1,4,{NOON}", f"7,1,5,{NOON + 1}", f"8,2,3,{NOON}", f"7,9,4,{NOON}")
FILES = {
    "movies.csv": MOVIES + "4,,Drama\n",
    "acme/ratings.csv": ROWS,
    "nobody/ratings.csv": ratings("7,1,4,1"),
}
TOMBSTONE_KEY = "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u"
Run = Callable[..., Result]


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    return Days.at(engines, tmp_path)


def only(days: Days) -> DayStatus:
    (status,) = read_statuses(days.engines.pipeline, days.data)
    return status


def load_day(days: Days, batch: str = str(DAY)) -> None:
    load(days.engines.pipeline, days.data, batch, NOW, KEY, silent)


def test_a_day_goes_from_state_to_state(days: Days) -> None:
    days.send(FILES, seal=False)
    assert only(days).state is State.INCOMPLETE
    days.send(FILES)
    assert only(days) == DayStatus(str(DAY), State.INCOMING)
    fetch(days.data, DAY, silent)
    assert only(days) == DayStatus(str(DAY), State.FETCHED)
    days.process()
    assert only(days).state is State.PROCESSED
    load_day(days)
    assert only(days).state is State.LOADED


def test_rows_are_counted_and_so_are_the_reasons_of_those_that_were_rejected(days: Days) -> None:
    days.take(FILES)
    status = only(days)
    assert (status.read, status.kept, status.superseded, status.rejected) == (5, 2, 1, 2)
    assert status.reasons == {"no_title": 1, "unknown_movie": 1, "unknown_client": 1}
    assert (status.loaded, status.unchanged) == (0, 0)
    load_day(days)
    assert (only(days).loaded, only(days).unchanged) == (2, 0)


def test_a_day_is_partly_loaded_while_a_client_is_missing(days: Days) -> None:
    days.take({**FILES, "bolt/ratings.csv": ROWS})
    load_day(days)
    assert only(days).state is State.LOADED
    days.run("DELETE FROM injections WHERE client_id <> :acme", acme=days.acme)
    assert only(days).state is State.PARTLY_LOADED


def test_a_client_who_registers_between_process_and_load_does_not_make_a_day_partly_loaded(
    days: Days,
) -> None:
    days.take(FILES)
    days.run("SELECT register_client('nobody', 'N', 'n@example.org', 'hash')")
    load_day(days)
    assert only(days).state is State.LOADED


def test_a_manifest_that_cannot_be_read_hides_no_other_day(days: Days) -> None:
    days.take(FILES)
    days.data.write(f"{INCOMING}/2026-02-01/manifest.json", b"{")
    good, bad = read_statuses(days.engines.pipeline, days.data)
    assert (good.state, bad.state) == (State.PROCESSED, State.UNREADABLE)
    assert "2026-02-01/manifest.json is no manifest" in next(details(bad))


def test_a_day_that_too_many_rejects_stop_says_so(days: Days) -> None:
    with pytest.raises(Rejected):
        days.take(FILES, reject_limit=0.1)
    status = only(days)
    assert (status.state, status.rejected) == (State.STOPPED, 2)
    days.process(reject_limit=0.1, reason="a known fault")
    assert (only(days).state, only(days).forced) == (State.PROCESSED, "a known fault")


def test_a_day_that_is_fetched_anew_is_to_be_processed_and_loaded_anew(days: Days) -> None:
    days.take(FILES)
    load_day(days)
    days.send({"acme/ratings.csv": ratings(f"7,1,1,{NOON + 5}")})
    assert only(days).changed
    fetch(days.data, DAY, silent, "a corrected file")
    assert only(days) == DayStatus(str(DAY), State.FETCHED)
    days.process()
    assert only(days).state is State.PROCESSED
    load_day(days)
    assert only(days).state is State.LOADED and not only(days).changed


def test_a_day_whose_files_are_gone_is_known_from_what_was_loaded(days: Days) -> None:
    days.take(FILES)
    load_day(days)
    for folder in (INCOMING, RAW, PROCESSED, NOT_INJECTED):
        days.data.delete(folder)
    status = only(days)
    assert (status.state, status.loaded, status.read) == (State.LOADED, 2, 4)


def test_mended_lists_are_named(days: Days) -> None:
    days.take(FILES)
    days.data.write(f"{NOT_INJECTED}/{DAY}/acme/mended.csv", b"")
    assert only(days).mended == ("acme/mended.csv",)
    assert "  acme/mended.csv waits for `marquee replay`" in list(details(only(days)))


def test_days_are_in_order_and_one_can_be_asked_for(days: Days) -> None:
    days.send(FILES, date(2026, 2, 1))
    days.send(FILES, seal=False)
    days.data.write(f"{INCOMING}/notes.txt", b"no day")
    days.data.write(f"{RAW}/{DAY}.replay/manifest.json", b'{"format": 1, "files": []}')
    found = read_statuses(days.engines.pipeline, days.data)
    assert [status.batch for status in found] == ["2026-01-31", "2026-01-31.replay", "2026-02-01"]
    assert read_statuses(days.engines.pipeline, days.data, DAY) == found[:2]
    assert len({len(line) for line in table(found)}) == 1, "columns stand below each other"


# the verbs


@pytest.fixture
def marquee(days: Days, urls: PerRole[str], tmp_path: Path) -> Run:
    settings = {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": str(tmp_path / "data"),
        "MODELS_URL": str(tmp_path / "models"),
        "TOMBSTONE_KEY": TOMBSTONE_KEY,
        "REJECT_LIMIT": "0.6",
    }
    return lambda *words: CliRunner().invoke(main, ["--record", "-", *words], env=settings)


def record(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_a_day_by_hand(days: Days, marquee: Run) -> None:
    day = ("--day", str(DAY))
    nothing = marquee("seal", *day)
    assert nothing.exit_code == 99 and "There are no files of 2026-01-31" in nothing.stdout
    days.send({**FILES, "notes.txt": "x"}, seal=False)
    assert record(marquee("seal", *day, "--source", "ml"))["ignored"] == ["notes.txt"]
    assert record(marquee("fetch", *day))["unchanged"] is False
    assert record(marquee("fetch", *day))["unchanged"] is True
    made = marquee("process", *day)
    assert record(made)["clients"]["acme"]["rejected"] == {"unknown_movie": 1}
    assert "acme: 4 ratings read: 2 kept, 1 superseded, 1 rejected; 2 users" in made.stdout
    assert "1 x unknown_movie: The movie's id is not in this source." in made.stdout
    assert record(marquee("process", *day))["unchanged"] is True
    (status,) = record(marquee("status", *day))["days"]
    assert (status["state"], status["kept"]) == ("processed", 2)
    assert "1 x unknown_client: No client of this name is registered." in marquee("status", *day).stdout


def test_a_day_that_is_not_there_exits_as_skipped(marquee: Run) -> None:
    for verb in ("fetch", "status"):
        result = marquee(verb, "--day", str(DAY))
        assert (result.exit_code, result.stderr) == (99, "")
        assert str(DAY) in result.stdout


def test_what_is_wrong_with_a_day_is_one_sentence(days: Days, marquee: Run) -> None:
    days.send(FILES, seal=False)
    for verb, sentence in (("fetch", "it is still being written."), ("process", "fetch the day first.")):
        result = marquee(verb, "--day", str(DAY))
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert result.stderr.startswith("marquee: ") and result.stderr.endswith(f"{sentence}\n")
