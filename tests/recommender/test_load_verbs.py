"""The verbs load, replay, honour-deletions, tidy and bench as a person, or a DAG, runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from recommender.cli import main
from recommender.local.urls import PerRole
from recommender.tombstones import external_digest
from tests.recommender.incoming import DAY, MOVIES, NOON, Days, ratings

KEY = "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u"
ROWS = (f"7,1,4,{NOON}", f"8,2,5,{NOON}", f"8,2,4,{NOON - 1}", f"8,3,9,{NOON}")
Run = Callable[..., Result]


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    days = Days.at(engines, tmp_path)
    days.take({"movies.csv": MOVIES, "acme/ratings.csv": ratings(*ROWS)}, tombstone_key=KEY)
    return days


@pytest.fixture
def marquee(urls: PerRole[str], tmp_path: Path) -> Run:
    folders = {"DATA_URL": str(tmp_path / "data"), "MODELS_URL": str(tmp_path / "models")}

    def run(*words: str, url: str = urls.pipeline) -> Result:
        given = {"DATABASE_URL": url, "TOMBSTONE_KEY": KEY, **folders}
        return CliRunner().invoke(main, ["--record", "-", *words], env=given)

    return run


def said(result: Result) -> tuple[list[str], dict[str, Any]]:
    """What a verb that went well says, and its record."""
    assert result.exit_code == 0, result.output
    *lines, record = result.stdout.splitlines()
    return lines, json.loads(record)


def test_load_says_what_became_of_each_row_and_why(days: Days, marquee: Run) -> None:
    lines, record = said(marquee("load", "--day", str(DAY)))
    assert lines == [
        f"{DAY}: movies: 3 new",
        "acme: 4 ratings read: 2 loaded, 0 unchanged, 1 superseded, 1 rejected; 2 new users",
        "         1 x rating_off_scale: The rating is not from 0.5 to 5.",
    ]
    counts = {"read": 4, "loaded": 2, "unchanged": 0, "superseded": 1, "rejected": 1}
    assert record == {
        "verb": "load",
        "day": str(DAY),
        "batch": str(DAY),
        "movies": {"new": 3},
        "clients": {"acme": {**counts, "new_users": 2}},
        **counts,
        "reasons": {"rating_off_scale": 1},
    }


def test_replay_says_what_went_in_again(days: Days, marquee: Run) -> None:
    said(marquee("load", "--day", str(DAY)))
    listed = days.data.read(f"no_injected_data/{DAY}/acme/ratings.csv")
    days.data.write(f"no_injected_data/{DAY}/acme/mended.csv", listed.replace(b",8,3,9,", b",8,3,4.5,"))
    lines, record = said(marquee("replay", "--day", str(DAY)))
    assert lines[0].startswith(f"1 refused rows of {DAY} went in again; 0 cannot be read as columns")
    assert (record["batch"], record["taken"], record["loaded"]) == (f"{DAY}.replay", 1, 1)


def test_a_day_that_has_no_rejects_is_skipped_by_replay(days: Days, marquee: Run) -> None:
    days.data.delete(f"no_injected_data/{DAY}")
    skipped = marquee("replay", "--day", str(DAY))
    assert (skipped.exit_code, skipped.stdout.count("\n")) == (99, 1)


def bury(days: Days, name: str) -> None:
    digest = external_digest(KEY, days.acme, name)
    days.run("INSERT INTO tombstones (client_id, digest) VALUES (:c, :d)", c=days.acme, d=digest)


def test_a_restored_database_is_refused_until_its_deletions_are_honoured(
    days: Days, marquee: Run, urls: PerRole[str]
) -> None:
    said(marquee("load", "--day", str(DAY)))
    bury(days, "8")
    _, tidied = said(marquee("tidy", "--day", str(DAY)))
    assert (tidied["tombstones_kept"], tidied["rejects_erased"]) == (1, 1)
    days.run("DELETE FROM tombstones")
    for verb in ("load", "replay"):
        refused = marquee(verb, "--day", str(DAY))
        assert refused.exit_code == 1 and "Run honour-deletions first" in refused.stderr
    lines, record = said(marquee("honour-deletions", url=urls.api))
    assert lines == ["1 tombstones put back, 1 users deleted again, 1 of their refused rows erased"]
    assert record["strangers"] == []
    _, loaded = said(marquee("load", "--day", str(DAY)))
    assert (loaded["loaded"], loaded["unchanged"], loaded["reasons"]["deleted_user"]) == (0, 1, 1)


def test_a_load_keeps_the_days_tombstones_with_the_files(days: Days, marquee: Run) -> None:
    bury(days, "8")
    said(marquee("load", "--day", str(DAY)))
    assert len(days.data.names("tombstones")) == 1


def test_deletions_are_honoured_as_the_api_and_as_nobody_else(days: Days, marquee: Run) -> None:
    bury(days, "8")
    said(marquee("tidy"))
    refused = marquee("honour-deletions")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "Connect as another role" in refused.stderr


def test_a_bench_measures_both_ways_in_one_run_and_compares_them(marquee: Run) -> None:
    result = marquee("bench", "load", "--rows", "3000", "--json")
    assert result.exit_code == 0, result.output
    new, known, single = json.loads(result.stdout.splitlines()[0])
    assert [one["what"] for one in (new, known, single)] == [
        "load, new users",
        "load, known users",
        "one commit per row",
    ]
    assert (new["rows"], known["rows"], single["rows"]) == (3000, 3000, 2000)
    for one in (new, known):
        assert one["rows_per_s"] == pytest.approx(3000 / one["seconds"], rel=0.1)
        assert one["times_single"] == pytest.approx(one["rows_per_s"] / single["rows_per_s"], rel=0.1)
        assert one["peak_mb"] is None or one["peak_mb"] > 50


def test_a_bench_of_process_says_its_rate(marquee: Run) -> None:
    lines, record = said(marquee("bench", "process", "--rows", "3000"))
    assert lines[0].startswith("process: 3,000 rows in ")
    assert record[0]["rows"] == 3000  # type: ignore[index]
