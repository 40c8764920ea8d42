"""No row is lost: every fault that a day can have, planted, and each row found again where it went."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from recommender.daily.loading import load
from recommender.errors import MarqueeError
from recommender.imports.rows import Rule
from recommender.local.urls import PerRole
from recommender.tombstones import external_digest
from tests.recommender.incoming import DAY, HEADER, KEY, MOVIES, NOON, Days, Files, packed, ratings, silent

NOW = datetime(2026, 2, 1, 7, tzinfo=UTC)
ROWS = (f"7,1,4,{NOON}", f"7,2,5,{NOON}", f"8,1,3,{NOON}")
GOOD = ratings(*ROWS)
QUOTED = "".join('"{}"\n'.format(line.replace(",", '","')) for line in GOOD.split())
SHUFFLED = ratings(
    *(",".join(["x", *row.split(",")[::-1]]) for row in ROWS), header="x,timestamp,rating,movieId,userId"
)


def day(content: str | bytes, *, movies: str | None = MOVIES, path: str = "acme/ratings.csv") -> Files:
    return {path: content} | ({"movies.csv": movies} if movies else {})


UNREADABLE = b"\xff,1,4,1\n7\0,1,4,1\n7\r,1,4,1\n"
NUMBERS = f"7,1,x,{NOON}\n7,1,6,{NOON}\n7,1,4,noon\n"
NO_NUMBERS = {Rule.BAD_RATING: 1, Rule.RATING_OFF_SCALE: 1, Rule.BAD_TIMESTAMP: 1}
# The files; how many rows are read, loaded, unchanged and superseded; and why the others are rejected.
FAULTS: Mapping[str, tuple[Files, tuple[int, int, int, int], dict[Rule, int]]] = {
    "none": (day(GOOD), (3, 2, 1, 0), {}),
    "missing movies.csv": (day(GOOD, movies=None), (3, 1, 1, 0), {Rule.UNKNOWN_MOVIE: 1}),
    "extra columns in another order": (day(SHUFFLED), (3, 2, 1, 0), {}),
    "a byte order mark": (day("\ufeff" + GOOD), (3, 2, 1, 0), {}),
    "Windows line ends": (day(GOOD.replace("\n", "\r\n")), (3, 2, 1, 0), {}),
    "quotes": (day(QUOTED), (3, 2, 1, 0), {}),
    "packed": (day(packed(GOOD), path="acme/ratings.csv.gz"), (3, 2, 1, 0), {}),
    "an empty file": (day(""), (0, 0, 0, 0), {}),
    "no more than a header": (day(HEADER), (0, 0, 0, 0), {}),
    "a renamed movie": (day(GOOD, movies=MOVIES.replace("Heat", "Heat restored")), (3, 2, 1, 0), {}),
    "before its movie": (day(GOOD + f"7,9,4,{NOON}\n"), (4, 2, 1, 0), {Rule.UNKNOWN_MOVIE: 1}),
    "changed twice": (day(GOOD + f"7,1,1,{NOON + 1}\n7,1,2,{NOON + 2}\n"), (5, 2, 1, 2), {}),
    "older than what is there": (day(f"{HEADER}\n8,1,5,{NOON - 1}\n"), (1, 0, 0, 1), {}),
    "an unknown client": (day(GOOD, path="nobody/ratings.csv"), (3, 0, 0, 0), {Rule.UNKNOWN_CLIENT: 3}),
    "a deleted user": (day(GOOD + f"gone,1,4,{NOON}\n"), (4, 2, 1, 0), {Rule.DELETED_USER: 1}),
    "a torn row": (day(GOOD + "7,1"), (4, 2, 1, 0), {Rule.WRONG_COLUMN_COUNT: 1}),
    "an open quote": (day(GOOD + f'"7,1,4,{NOON}\n9,1,4,{NOON}\n'), (5, 3, 1, 1), {}),
    "unreadable bytes": (day(GOOD.encode() + UNREADABLE), (6, 2, 1, 0), {Rule.BAD_ENCODING: 3}),
    "no user": (day(GOOD + f",1,4,{NOON}\n"), (4, 2, 1, 0), {Rule.BAD_USER: 1}),
    "bad numbers": (day(GOOD + NUMBERS), (6, 2, 1, 0), NO_NUMBERS),
    "of tomorrow": (day(GOOD + f"7,1,4,{NOON + 43_200}\n"), (4, 2, 1, 0), {Rule.FUTURE_TIMESTAMP: 1}),
}


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    """8 has rated 1 at noon, and the user `gone` was deleted."""
    days = Days.at(engines, tmp_path)
    days.know("1")
    days.run("INSERT INTO users (client_id, external_id) VALUES (:acme, '8')", acme=days.acme)
    days.run(
        "INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, rated_at)"
        " SELECT client_id, user_id, 1, 3, to_timestamp(:noon) FROM users",
        noon=NOON,
    )
    digest = external_digest(KEY, days.acme, "gone")
    days.run("INSERT INTO tombstones (client_id, digest) VALUES (:c, :d)", c=days.acme, d=digest)
    return days


def count(days: Days, table: str) -> int:
    with days.engines.admin.connect() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_in_are_loaded_unchanged_superseded_or_rejected(days: Days, fault: str) -> None:
    files, (read, loaded, unchanged, superseded), rejected = FAULTS[fault]
    days.take(files)
    report = load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)
    c = report.counts
    assert (c.read, c.loaded, c.unchanged, c.superseded) == (read, loaded, unchanged, superseded)
    assert report.rejected == rejected
    assert c.read == c.loaded + c.unchanged + c.superseded + c.rejected
    known = Rule.UNKNOWN_CLIENT not in rejected
    assert count(days, "movies_users_rating") == 1 + loaded
    assert count(days, "rejects") == (sum(rejected.values()) if known else 0)
    listed = days.data.files(f"no_injected_data/{DAY}")
    assert sum(len(days.refused(path)) for path in listed if path.endswith(".csv")) == sum(rejected.values())


@pytest.mark.parametrize(
    "files",
    [day("userId,movieId,rating\n7,1,4\n"), day(packed(GOOD)[:-9], path="acme/ratings.csv.gz")],
    ids=["a missing column", "a torn file"],
)
def test_a_file_that_cannot_be_read_at_all_loads_nothing(days: Days, files: Files) -> None:
    with pytest.raises(MarqueeError, match=r"acme/ratings\.csv"):
        days.take(files)
    with pytest.raises(MarqueeError, match="run process first"):
        load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)
    assert count(days, "movies_users_rating") == 1
