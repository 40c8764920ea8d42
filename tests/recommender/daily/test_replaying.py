"""Refused rows that go in again: mended, or good by now; and those that must not."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from recommender.daily.fetching import fetch
from recommender.daily.loading import load
from recommender.daily.replaying import ReplayReport, replay
from recommender.days import NOT_INJECTED, PROCESSED, RAW
from recommender.errors import BadInput, Failed, NothingToDo
from recommender.imports.injections import Counts
from recommender.imports.rows import Rule
from recommender.local.urls import PerRole
from recommender.manifests import read_manifest
from recommender.tombstones import external_digest
from tests.recommender.incoming import DAY, KEY, MOVIES, NOON, Days, ratings, silent

NOW = datetime(2026, 2, 1, 7, tzinfo=UTC)
GOOD = f"7,1,4,{NOON}"
LISTED = f"{NOT_INJECTED}/{DAY}/acme/ratings.csv"
MENDED = f"{NOT_INJECTED}/{DAY}/acme/mended.csv"
Row = dict[str, str]


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    return Days.at(engines, tmp_path)


def take(days: Days, *rows: str, client: str = "acme", **files: str) -> None:
    given = {"movies.csv": MOVIES, f"{client}/ratings.csv": ratings(GOOD, *rows)}
    days.take(given | files)
    load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)


def again(days: Days) -> ReplayReport:
    return replay(
        days.engines.pipeline, days.data, days.models, DAY, now=NOW, tombstone_key=KEY, progress=silent
    )


def mend(days: Days, change: Callable[[Row], Row | None]) -> None:
    """As a person with a table program does it."""
    rows = list(csv.DictReader(StringIO(days.data.read(LISTED).decode())))
    mended = StringIO()
    writer = csv.DictWriter(mended, rows[0])
    writer.writeheader()
    writer.writerows(new for row in rows if (new := change(row)))
    days.data.write(MENDED, b"\xef\xbb\xbf" + mended.getvalue().encode())


def stored(days: Days, client: str = "acme") -> list[tuple[Any, ...]]:
    query = """
        SELECT external_id, source_id, rating FROM movies_users_rating JOIN users u USING (user_id)
        JOIN clients c ON c.client_id = u.client_id JOIN movie_sources USING (movie_id)
        WHERE username = :client ORDER BY 1, 2"""
    with days.engines.admin.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), {"client": client})]


def test_a_mended_list_is_taken_and_what_is_not_mended_is_refused_again(days: Days) -> None:
    take(days, f"8,1,9,{NOON}", f"8,2,zero,{NOON}", f"9,77,4,{NOON}")
    mend(days, lambda row: row | {"rating": {"9": "4.5", "zero": "0.5"}.get(row["rating"], row["rating"])})
    report = again(days)
    assert (report.taken, report.left, report.forgotten) == (3, 0, 0)
    assert report.load.counts == Counts(3, 2, 0, 0, 1)
    assert report.load.rejected == {Rule.UNKNOWN_MOVIE: 1}
    assert stored(days) == [("7", "1", 4), ("8", "1", 4.5), ("8", "2", 0.5)]
    assert days.data.exists(f"{NOT_INJECTED}/{DAY}.replay/acme/ratings.csv")


def test_a_replay_again_changes_nothing(days: Days) -> None:
    take(days, f"8,1,9,{NOON}", f"9,77,4,{NOON}")
    mend(days, lambda row: row | {"rating": "3"})
    again(days)
    files, rows = days.contents(), stored(days)
    report = again(days)
    assert report.load.counts == Counts(2, 0, 1, 0, 1)
    assert (days.contents(), stored(days)) == (files, rows)


def test_rows_that_cannot_be_read_as_columns_stay_until_they_are_mended(days: Days) -> None:
    take(days, "8,1", f"8,2,9,{NOON}")
    report = again(days)
    assert (report.taken, report.left, report.load.counts.rejected) == (1, 1, 1)
    mend(days, lambda row: row | {"userId": "8", "movieId": "3", "rating": "2", "timestamp": str(NOON)})
    assert again(days).load.counts == Counts(2, 1, 0, 1, 0)
    assert ("8", "3", 2) in stored(days)


def test_a_row_that_a_person_took_out_stays_out(days: Days) -> None:
    take(days, f"8,1,9,{NOON}", f"9,1,9,{NOON}")
    mend(days, lambda row: row | {"rating": "3"} if row["userId"] == "8" else None)
    again(days)
    assert [row[0] for row in stored(days)] == ["7", "8"]


def test_an_unknown_client_that_registers_later_has_its_day_replayed(days: Days) -> None:
    take(days, f"8,2,3,{NOON}", client="north")
    assert again(days).load.counts == Counts(2, 0, 0, 0, 2), "nobody registered it yet"
    days.run("SELECT register_client('north', 'N', 'n@example.org', 'hash')")
    assert again(days).load.counts == Counts(2, 2, 0, 0, 0)
    assert stored(days, "north") == [("7", "1", 4), ("8", "2", 3)]


def test_a_rating_that_came_before_its_movie_is_loaded_when_the_movie_is_there(days: Days) -> None:
    take(days, f"8,4,3,{NOON}")
    assert again(days).load.rejected == {Rule.UNKNOWN_MOVIE: 1}
    days.know("4")
    assert again(days).load.counts == Counts(1, 1, 0, 0, 0)
    assert ("8", "4", 3) in stored(days)


def test_a_replay_does_not_undo_what_came_later(days: Days) -> None:
    take(days, f"7,2,9,{NOON}", f"7,2,2,{NOON + 9}")
    mend(days, lambda row: row | {"rating": "5"})
    assert again(days).load.counts == Counts(1, 0, 0, 1, 0)
    assert ("7", "2", 2) in stored(days)


def test_rows_of_deleted_users_are_never_replayed(days: Days) -> None:
    take(days, f"8,1,9,{NOON}", f"zoë,1,9,{NOON}")
    mend(days, lambda row: row | {"rating": "3", "userId": f" {row['userId']} "})
    digest = external_digest(KEY, days.acme, "zoë")
    days.run("INSERT INTO tombstones (client_id, digest) VALUES (:c, :d)", c=days.acme, d=digest)
    report = again(days)
    assert (report.taken, report.forgotten, report.load.counts.loaded) == (1, 1, 1)
    batch = {path: content for path, content in days.contents().items() if ".replay" in path}
    assert batch and not any("zoë".encode() in content for content in batch.values())
    days.data.delete(MENDED)
    mend(days, lambda row: row if row["userId"] == "zoë" else None)
    with pytest.raises(NothingToDo, match=r"0 cannot be read as columns, 1 are of deleted users"):
        again(days)
    assert not days.data.exists(f"{RAW}/{DAY}.replay")


def test_rows_that_process_refused_for_a_deletion_do_not_count_as_left(days: Days) -> None:
    digest = external_digest(KEY, days.acme, "8")
    days.run("INSERT INTO tombstones (client_id, digest) VALUES (:c, :d)", c=days.acme, d=digest)
    take(days, f"8,1,4,{NOON}", f"9,1,9,{NOON}")
    report = again(days)
    assert (report.taken, report.left, report.forgotten) == (1, 0, 1)


def test_mended_movies_go_in_before_the_ratings(days: Days) -> None:
    take(days, f"8,4,3,{NOON}", **{"movies.csv": MOVIES + "4, (1990),Drama\n"})
    days.data.write(f"{NOT_INJECTED}/{DAY}/mended.csv", b"movieId,title,genres\n4,Emma (1996),Drama\n")
    report = again(days)
    assert (report.taken, report.load.movies, report.load.counts.loaded) == (2, {"new": 1}, 1)


def test_a_day_without_rejects_has_nothing_to_replay(days: Days) -> None:
    take(days)
    with pytest.raises(NothingToDo, match=f"No row of {DAY} was refused"):
        again(days)


def test_a_mended_list_without_a_needed_column_is_bad_input(days: Days) -> None:
    take(days, f"8,1,9,{NOON}")
    days.data.write(MENDED, b"userId;movieId\n8;1\n")
    with pytest.raises(BadInput, match=r"mended\.csv: the first line names no column userId, movieId"):
        again(days)
    assert read_manifest(days.data, f"{PROCESSED}/{DAY}.replay") is None


def test_a_day_that_is_being_processed_is_not_replayed(days: Days) -> None:
    take(days, f"8,1,9,{NOON}")
    days.data.delete(f"{NOT_INJECTED}/{DAY}/manifest.json")
    with pytest.raises(Failed, match="is not sealed: run process first"):
        again(days)


def test_most_rows_refused_again_do_not_stop_the_one_that_is_good(days: Days) -> None:
    take(days, *(f"8,{movie},4,{NOON}" for movie in range(70, 90)))
    days.know("75")
    fetch(days.data, DAY, silent)
    assert again(days).load.counts == Counts(20, 1, 0, 0, 19)


def test_a_mended_cell_of_several_lines_is_one_row(days: Days) -> None:
    take(days, f"8,1,9,{NOON}")
    mend(days, lambda row: row | {"userId": "eight\r\nb", "rating": "3"})
    assert again(days).load.counts == Counts(1, 1, 0, 0, 0)
    assert ("eight b", "1", 3) in stored(days)
