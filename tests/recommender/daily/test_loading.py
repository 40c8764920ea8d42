"""From processed to Postgres: what becomes of each row, of a load that is cut short, and of deleted users."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from recommender.daily import processed
from recommender.daily.fetching import fetch
from recommender.daily.loading import ClientReport, LoadReport, load
from recommender.daily.parquet import MOVIES as MOVIES_FILE
from recommender.daily.parquet import (
    MOVIES_SCHEMA,
    RATINGS_SCHEMA,
    USERS_SCHEMA,
    ratings_part,
    users_part,
    write_table,
)
from recommender.daily.processing import process
from recommender.database import transaction
from recommender.days import PROCESSED
from recommender.deletions import delete_user
from recommender.errors import Away, BadInput, Failed, NotFound
from recommender.imports.injections import Counts
from recommender.imports.rating_load import count_ratings
from recommender.imports.rows import Rule
from recommender.local.urls import PerRole
from recommender.manifests import Making
from recommender.progress import Progress
from recommender.tombstones import external_digest
from tests.api.conftest import away
from tests.recommender.incoming import DAY, KEY, MOVIES, NOON, Days, Files, ratings, silent

NOW = datetime(2026, 2, 1, 7, tzinfo=UTC)
NEXT = date(2026, 2, 1)
ROWS = (f"7,1,4,{NOON}", f"7,2,5,{NOON}", f"8,1,3,{NOON}", f"zoë,3,1,{NOON}")
FILES = {"movies.csv": MOVIES, "acme/ratings.csv": ratings(*ROWS)}
FAULTS = (
    f"7,1,2,{NOON - 9}",
    f"7,9,4,{NOON}",
    f"9,1,0,{NOON}",
    "9,1",
    f",1,4,{NOON}",
    f"7,3,5,{NOON + 200_000}",
)


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    return Days.at(engines, tmp_path)


def ready(days: Days, files: Files, day: date = DAY) -> None:
    """As far as processed."""
    days.send(files, day)
    fetch(days.data, day, silent)
    process(
        days.engines.pipeline,
        days.data,
        days.models,
        str(day),
        reject_limit=1.0,
        tombstone_key=KEY,
        progress=silent,
    )


def into(days: Days, batch: object = DAY, progress: Progress = silent, now: datetime = NOW) -> LoadReport:
    return load(days.engines.pipeline, days.data, str(batch), now, KEY, progress)


def take(days: Days, files: Files, day: date = DAY) -> LoadReport:
    ready(days, files, day)
    return into(days, day)


def rows(days: Days, query: str, **values: object) -> list[tuple[Any, ...]]:
    with days.engines.admin.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def stored(days: Days, client: str = "acme") -> list[tuple[Any, ...]]:
    """By natural keys."""
    query = """
        SELECT external_id, source_id, rating, extract(epoch FROM rated_at)::bigint, implied
        FROM movies_users_rating JOIN users u USING (user_id) JOIN clients c ON c.client_id = u.client_id
        JOIN movie_sources USING (movie_id) WHERE username = :client ORDER BY 1, 2, 3"""
    return rows(days, query, client=client)


STATE = {
    "clients": "SELECT username FROM clients",
    "movies": "SELECT source_id, title, year, kind, ratings_count FROM movies"
    " JOIN movie_sources USING (movie_id)",
    "users": "SELECT username, external_id, taste::text, space, genre_profile FROM users"
    " JOIN clients USING (client_id)",
    "injections": "SELECT username, source, file, sha256, day, rows_read, rows_loaded, rows_unchanged,"
    " rows_superseded, rows_rejected FROM injections JOIN clients USING (client_id)",
    "rejects": "SELECT username, file, line, rule, row, external_id FROM rejects"
    " JOIN clients USING (client_id)",
}


def state(days: Days) -> dict[str, list[str]]:
    """Everything that a load writes, without surrogate ids and clocks."""
    found = {name: sorted(map(repr, rows(days, query))) for name, query in STATE.items()}
    return found | {name: list(map(repr, stored(days, name))) for name in ("acme", "bolt")}


def counts(report: LoadReport | ClientReport) -> tuple[int, int, int, int, int]:
    c = report.counts
    return c.read, c.loaded, c.unchanged, c.superseded, c.rejected


def test_a_day_is_loaded_and_its_file_is_listed(days: Days) -> None:
    report = take(days, FILES)
    assert stored(days) == [
        ("7", "1", 4.0, NOON, False),
        ("7", "2", 5.0, NOON, False),
        ("8", "1", 3.0, NOON, False),
        ("zoë", "3", 1.0, NOON, False),
    ]
    assert report.movies == {"new": 3}
    assert [(c.client, c.new_users, counts(c)) for c in report.clients] == [("acme", 3, (4, 4, 0, 0, 0))]
    listed = "SELECT file, source, day, rows_read, rows_loaded, finished_at FROM injections"
    assert rows(days, listed) == [(f"{DAY}/acme/ratings.csv", "simulation_data", DAY, 4, 4, NOW)]


def test_every_row_that_was_read_is_loaded_unchanged_superseded_or_rejected(days: Days) -> None:
    take(days, {"movies.csv": MOVIES, "acme/ratings.csv": ratings(f"7,2,5,{NOON}", f"8,1,1,{NOON + 9}")})
    report = take(days, {"acme/ratings.csv": ratings(*ROWS, *FAULTS)}, NEXT)
    assert counts(report) == (10, 2, 1, 2, 5), "one superseded within the file, one by what was there"
    assert report.rejected == Counter(
        [
            Rule.UNKNOWN_MOVIE,
            Rule.RATING_OFF_SCALE,
            Rule.WRONG_COLUMN_COUNT,
            Rule.BAD_USER,
            Rule.FUTURE_TIMESTAMP,
        ]
    )
    assert stored(days)[2] == ("8", "1", 1.0, NOON + 9, False)
    query = "SELECT rows_read, rows_loaded, rows_unchanged, rows_superseded, rows_rejected FROM injections"
    assert rows(days, f"{query} WHERE day = :day", day=NEXT) == [counts(report)]


def test_rejects_are_kept_with_their_user(days: Days) -> None:
    take(days, FILES | {"acme/ratings.csv": ratings(*ROWS, *FAULTS)})
    found = rows(days, "SELECT file, line, rule, external_id, row FROM rejects ORDER BY line")
    file = f"{DAY}/acme/ratings.csv"
    assert found[:2] == [
        (file, 7, "unknown_movie", "7", f"7,9,4,{NOON}"),
        (file, 8, "rating_off_scale", "9", f"9,1,0,{NOON}"),
    ]
    assert [row[2:4] for row in found[3:]] == [("bad_user", None), ("future_timestamp", "7")]


def test_a_day_loaded_twice_is_the_day_loaded_once(days: Days) -> None:
    files = FILES | {
        "acme/ratings.csv": ratings(*ROWS, *FAULTS),
        "bolt/ratings.csv": ratings(f"7,1,1,{NOON}"),
    }
    take(days, files)
    once, everything = state(days), rows(days, "SELECT * FROM users ORDER BY 1")
    report = into(days, now=datetime(2026, 2, 2, tzinfo=UTC))
    assert counts(report) == (11, 0, 5, 1, 5)
    assert state(days) == once
    assert rows(days, "SELECT * FROM users ORDER BY 1") == everything, "not even touched"


@pytest.mark.parametrize(("users", "ratings_"), [(1, 1), (2, 3)])
def test_the_size_of_a_piece_changes_nothing(
    days: Days, monkeypatch: pytest.MonkeyPatch, users: int, ratings_: int
) -> None:
    ready(days, FILES | {"acme/ratings.csv": ratings(*ROWS, *FAULTS)})
    monkeypatch.setattr(processed, "USERS_AT_ONCE", users)
    monkeypatch.setattr(processed, "RATINGS_AT_ONCE", ratings_)
    assert counts(into(days)) == (10, 4, 0, 1, 5)
    once = state(days)
    monkeypatch.undo()
    assert counts(into(days)) == (10, 0, 4, 1, 5)
    assert state(days) == once


@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        ((4, 200), (2, 100), (4.0, 200)),
        ((4, 200), (2, 300), (2.0, 300)),
        ((4, 200), (2, 200), (2.0, 200)),
        ((4, 200), (4, 300), (4.0, 300)),
    ],
)
def test_the_later_rating_stands_whichever_day_is_loaded_last(
    days: Days, first: tuple[int, int], then: tuple[int, int], stands: tuple[float, int]
) -> None:
    for day, (mark, moment) in ((DAY, first), (NEXT, then)):
        take(days, {"movies.csv": MOVIES, "acme/ratings.csv": ratings(f"7,1,{mark},{moment}")}, day)
    assert [row[2:4] for row in stored(days)] == [stands]


def test_a_movies_count_grows_by_what_was_loaded(days: Days) -> None:
    take(days, FILES)
    take(days, {"movies.csv": MOVIES, "acme/ratings.csv": ratings(*ROWS, f"8,2,3,{NOON}")}, NEXT)
    counted = "SELECT title, ratings_count FROM movies ORDER BY 1"
    assert rows(days, counted) == [("Heat", 2), ("Ran", 1), ("The Matrix", 2)]
    with transaction(days.engines.pipeline) as connection:
        count_ratings(connection)
    assert rows(days, counted) == [("Heat", 2), ("Ran", 1), ("The Matrix", 2)]


def test_movies_alone_are_a_day(days: Days) -> None:
    report = take(days, {"movies.csv": MOVIES})
    assert (report.movies, report.clients, report.counts) == ({"new": 3}, (), Counts.none())
    assert into(days).movies == {"known": 3}


def test_a_renamed_movie_is_the_same_movie(days: Days) -> None:
    take(days, FILES)
    renamed = {"movies.csv": MOVIES.replace("Ran (1985)", "Ran restored (1985)")}
    assert take(days, renamed, NEXT).movies == {"updated": 1, "known": 2}
    assert len(stored(days)) == 4
    assert rows(days, "SELECT title FROM movies WHERE title LIKE 'Ran%'") == [("Ran restored",)]


# what a load writes of a user


HEAT = {"line": 2, "source_id": "1", "title": "Heat", "year": 1995, "kind": "movie", "genres": ["War"]}
User = tuple[str, list[float], list[float] | None]  # name, profile, taste


def by_hand(days: Days, users: list[User], movies: Any = (HEAT,), **about: object) -> None:
    """A processed day with one rating by each of these users."""
    making = Making(days.data, f"{PROCESSED}/{DAY}")
    names, n = [name for name, _, _ in users], len(users)
    columns: tuple[list[Any], list[Any]] = (
        [
            pa.array(names).dictionary_encode(),
            pa.array(["1"] * n).dictionary_encode(),
            np.full(n, 4, np.float32),
            np.full(n, float(NOON)),
            np.arange(2, n + 2),
        ],
        [names, [1] * n, [profile for _, profile, _ in users], [taste for _, _, taste in users]],
    )
    tables: dict[str, pa.Table] = {
        MOVIES_FILE: pa.Table.from_pylist(list(movies), MOVIES_SCHEMA),
        ratings_part("acme", 0): pa.table(columns[0], schema=RATINGS_SCHEMA),
        users_part("acme", 0): pa.table(columns[1], schema=USERS_SCHEMA),
    }
    for path, table in tables.items():
        with making.file(path, table.num_rows) as file:
            write_table(file.as_file(), table)
    counted = {"read": n, "kept": n, "superseded": 0, "rejected": {}, "users": n, "parts": 1, "sha256": "x"}
    making.seal(
        {
            "day": str(DAY),
            "source": "simulation_data",
            "champion": "v1",
            "genres": ["Drama", "War"],
            "clients": {"acme": counted},
        }
        | about
    )


def test_new_users_have_what_the_day_says_of_them_and_known_users_are_stale(days: Days) -> None:
    by_hand(days, [("old", [0.5, 0.5], [1.0, 2.0])], champion="v0")
    into(days)
    by_hand(days, [("a", [0, 1], [0.5, -1.0]), ("b", [1 / 3, 2 / 3], None), ("c", [0, 0], [3.0, 4.0])])
    into(days)
    query = "SELECT external_id, taste::text, space, genre_profile, profiled_at = updated_at FROM users"
    assert rows(days, f"{query} ORDER BY 1") == [
        ("a", "[0.5,-1]", "v1", {"War": 1.0}, True),
        ("b", None, None, {"Drama": 0.3333, "War": 0.6667}, True),
        ("c", "[3,4]", "v1", {}, True),
        ("old", "[1,2]", "v0", {"Drama": 0.5, "War": 0.5}, True),
    ]
    days.run("UPDATE movies_users_rating SET rated_at = rated_at - interval '1 hour'")
    by_hand(days, [("a", [1, 0], [9.0, 9.0]), ("new", [1, 0], [9.0, 9.0])], champion="v2")
    into(days)
    assert rows(days, f"{query} WHERE external_id IN ('a', 'new') ORDER BY 1") == [
        ("a", None, None, {"War": 1.0}, False),
        ("new", "[9,9]", "v2", {"Drama": 1.0}, True),
    ]


def test_a_day_without_genres_says_nothing_of_its_users(days: Days) -> None:
    by_hand(days, [("a", [], None)], genres=[], champion=None)
    into(days)
    assert rows(days, "SELECT genre_profile, profiled_at, space FROM users") == [(None, None, None)]


def test_odd_names_of_users_survive(days: Days) -> None:
    names = ["a\\b", r"\N", "it's", "日本", 'say "hi"', "x" * 200]
    by_hand(days, [(name, [0, 1], None) for name in names])
    into(days)
    assert {name for (name,) in rows(days, "SELECT external_id FROM users")} == set(names)


# what is not loaded


def test_a_day_that_is_not_processed_is_not_loaded(days: Days) -> None:
    with pytest.raises(Failed, match=rf"processed/{DAY} is not sealed: run process first\."):
        into(days)
    ready(days, FILES)
    Making(days.data, f"{PROCESSED}/{DAY}")
    with pytest.raises(Failed, match="run process first"):
        into(days)


@pytest.mark.parametrize("path", ["movies.parquet", "bolt/users-000.parquet", "bolt/ratings-000.parquet"])
def test_one_damaged_file_and_nothing_is_loaded(days: Days, path: str) -> None:
    ready(days, FILES | {"bolt/ratings.csv": ratings(f"7,1,1,{NOON}")})
    whole = days.data.read(f"{PROCESSED}/{DAY}/{path}")
    days.data.write(f"{PROCESSED}/{DAY}/{path}", whole[:-9] + bytes(9))
    with pytest.raises(BadInput, match=f"{path} is not the file that its manifest names"):
        into(days)
    assert rows(days, "SELECT * FROM movies") == rows(days, "SELECT * FROM users") == []
    days.data.write(f"{PROCESSED}/{DAY}/{path}", whole)
    assert counts(into(days)) == (5, 5, 0, 0, 0)


def test_a_list_of_rejects_that_was_changed_stops_the_load(days: Days) -> None:
    ready(days, FILES | {"acme/ratings.csv": ratings(*ROWS, *FAULTS)})
    days.data.write(f"no_injected_data/{DAY}/acme/ratings.csv", b"userId\n")
    with pytest.raises(BadInput, match="is not the file that its manifest names"):
        into(days)


def test_a_manifest_of_somebody_else_is_one_sentence(days: Days) -> None:
    Making(days.data, f"{PROCESSED}/{DAY}").seal({"day": str(DAY)})
    with pytest.raises(BadInput, match=r"is none of process: KeyError\('clients'\)"):
        into(days)


def test_movies_that_are_not_in_this_database_are_one_sentence(days: Days) -> None:
    by_hand(days, [("a", [0, 1], None)], movies=[])
    with pytest.raises(Failed, match="run process again"):
        into(days)
    assert rows(days, "SELECT * FROM users") == []


def test_a_client_that_is_gone_has_its_rows_counted_as_nobodys(days: Days) -> None:
    ready(days, FILES | {"bolt/ratings.csv": ratings(f"7,1,1,{NOON}")})
    days.run("DELETE FROM clients WHERE username = 'acme'")
    report = into(days)
    assert [counts(c) for c in report.clients] == [(4, 0, 0, 0, 4), (1, 1, 0, 0, 0)]
    assert report.rejected == {Rule.UNKNOWN_CLIENT: 4}


@pytest.mark.parametrize("role", ["pipeline", "api"])
def test_no_role_can_write_a_rating_of_no_movie(days: Days, role: str) -> None:
    take(days, FILES)
    write = text("""
        INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating)
        SELECT client_id, user_id, movie_id, 4 FROM users, unnest(ARRAY[1, 9999]) AS movie_id
        WHERE client_id = :client ON CONFLICT DO NOTHING""")
    with pytest.raises(NotFound, match="deleted meanwhile"), transaction(getattr(days.engines, role)) as c:
        if role == "api":
            c.execute(text("SELECT enter_client(:client)"), {"client": days.acme})
        c.execute(write, {"client": days.acme})
    assert len(stored(days)) == 4


def test_the_pipeline_cannot_delete_a_movie(days: Days) -> None:
    pipeline = days.engines.pipeline
    with pytest.raises(ProgrammingError, match="permission denied"), pipeline.begin() as connection:
        connection.execute(text("DELETE FROM movies"))


# deleted users


def delete(days: Days, name: str) -> None:
    """As the API does it."""
    found = rows(
        days, "SELECT user_id FROM users WHERE client_id = :c AND external_id = :n", c=days.acme, n=name
    )
    with days.engines.api.begin() as connection:
        connection.execute(text("SELECT enter_client(:client)"), {"client": days.acme})
        delete_user(connection, days.acme, found[0][0], KEY)


def bury(days: Days, name: str) -> None:
    digest = external_digest(KEY, days.acme, name)
    days.run("INSERT INTO tombstones (client_id, digest) VALUES (:c, :d)", c=days.acme, d=digest)


def test_a_user_deleted_between_process_and_load_stays_deleted(days: Days) -> None:
    late = (f"zoë,9,4,{NOON}", f"zoë,1,2,{NOON}")
    ready(days, FILES | {"acme/ratings.csv": ratings(*ROWS, *late)})
    bury(days, "zoë")
    report = into(days)
    assert counts(report) == (6, 3, 0, 0, 3)
    assert report.rejected == {Rule.UNKNOWN_MOVIE: 1, Rule.DELETED_USER: 2}
    assert rows(days, "SELECT line, rule, row, external_id FROM rejects ORDER BY line") == [
        (5, "deleted_user", "", None),
        (7, "deleted_user", "", None),
    ]
    assert "zoë" not in repr(state(days))


def test_a_backfill_does_not_bring_a_deleted_user_back(days: Days) -> None:
    take(days, FILES)
    delete(days, "zoë")
    assert counts(into(days)) == (4, 0, 3, 0, 1)
    assert counts(take(days, FILES, NEXT)) == (4, 0, 3, 0, 1), "known to process, too"
    assert "zoë" not in repr(state(days))
    query = "SELECT rows_read, rows_loaded, rows_unchanged, rows_rejected FROM injections WHERE day = :d"
    assert rows(days, query, d=DAY) == [(4, 0, 3, 1)]


def at(stage: str, act: Callable[[], object]) -> Progress:
    """When the stage is told of for the first time."""
    done: list[object] = []

    def progress(told: str, _done: int, _total: int) -> None:
        if told == stage and not done:
            done.append(True)
            act()

    return progress


def test_a_user_deleted_while_a_file_is_loaded_is_not_brought_back(days: Days) -> None:
    ready(days, FILES)
    with pytest.raises(Failed, match=r"A user was deleted while .* run load again"):
        into(days, progress=at("acme: users", lambda: bury(days, "8")))
    assert rows(days, "SELECT * FROM users") == []
    into(days)
    assert {row[0] for row in stored(days)} == {"7", "zoë"}


# cut short


@pytest.mark.parametrize("stage", ["verify", "acme: users", "acme: ratings", "bolt: users"])
def test_a_database_that_goes_away_is_one_sentence_and_the_retry_succeeds(days: Days, stage: str) -> None:
    ready(days, FILES | {"bolt/ratings.csv": ratings(f"7,1,1,{NOON}", f"9,1,0,{NOON}")})
    with ExitStack() as gone, pytest.raises(Away, match=r"^The database "):
        into(days, progress=at(stage, lambda: gone.enter_context(away(days.engines))))
    assert stored(days, "bolt") == []
    assert len(stored(days)) == (4 if stage == "bolt: users" else 0)
    into(days)
    assert len(stored(days)) == 4 and len(stored(days, "bolt")) == 1


_KILLED = """
import os, sys
from datetime import datetime, UTC
from recommender.database import open_engine
from recommender.files import Store
from recommender.daily.loading import load

url, folder, day, stage = sys.argv[1:]

def progress(told, done, total):
    if told == stage:
        os.kill(os.getpid(), 9)

load(open_engine(url), Store.at(folder), day, datetime(2026, 2, 1, 7, tzinfo=UTC), "k" * 32, progress)
"""


def test_a_load_that_is_killed_at_any_moment_and_run_again_leaves_the_same_rows(
    days: Days, urls: PerRole[str], tmp_path: Path
) -> None:
    files = {"acme/ratings.csv": ratings(*ROWS, *FAULTS), "bolt/ratings.csv": ratings(f"7,1,1,{NOON}")}
    ready(days, FILES | files)
    into(days)
    undisturbed = state(days)
    days.run("TRUNCATE users, movies, injections CASCADE")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for stage, kept in (("acme: users", 0), ("acme: ratings", 0), ("bolt: ratings", 4)):
        words = (urls.pipeline, str(tmp_path / "data"), str(DAY), stage)
        killed = subprocess.run([sys.executable, "-c", _KILLED, *words], check=False, env=environment)
        assert killed.returncode == -signal.SIGKILL
        assert (len(stored(days)), stored(days, "bolt")) == (kept, [])
    into(days)
    assert state(days) == undisturbed


# two at once


def test_two_loads_of_one_client_at_once_end_and_agree(days: Days) -> None:
    names = [f"u{n}" for n in range(200)]
    for day, order in ((DAY, names), (NEXT, names[::-1])):
        marks = (f"{name},{1 + n % 2},{1 + n % 5},{NOON + n}" for n, name in enumerate(order))
        ready(days, {"movies.csv": MOVIES, "acme/ratings.csv": ratings(*marks)}, day)
    known = ratings(*(f"{name},3,4,{NOON}" for name in names[::3]))
    take(days, {"movies.csv": MOVIES, "acme/ratings.csv": known}, date(2026, 2, 2))
    together = Barrier(2, timeout=20)

    def one(day: date) -> LoadReport:
        return into(days, day, at("acme: users", together.wait))

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(one, (DAY, NEXT)))
    assert all(counts(r)[0] == sum(counts(r)[1:]) == 200 for r in reports)
    assert len(stored(days)) == len({row[:2] for row in stored(days)}) > 200
    assert len(rows(days, "SELECT * FROM users")) == 200


def test_one_day_loaded_twice_at_once_is_loaded_once(days: Days) -> None:
    ready(days, FILES | {"bolt/ratings.csv": ratings(f"7,1,1,{NOON}")})
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: into(days), range(2)))
    assert sum((report.counts for report in reports), Counts.none()) == Counts(10, 5, 5, 0, 0)
    assert len(stored(days)) == 4


def test_a_day_that_is_processed_anew_while_it_is_loaded_is_not_loaded_in_half(days: Days) -> None:
    ready(days, FILES)
    anew = at("acme: users", lambda: days.process(reason="a known fault"))
    with pytest.raises(Failed, match=f"{DAY} was processed again while it was loaded: run load again"):
        into(days, progress=anew)
    assert stored(days) == []
    assert counts(into(days)) == (4, 4, 0, 0, 0)
