"""How fast a day is processed and loaded: made-up days, against a database that has nothing else."""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine

from recommender.daily.loading import load
from recommender.daily.processing import process
from recommender.database import open_engine
from recommender.days import MOVIES, RATINGS, RAW, begins
from recommender.files import Store
from recommender.manifests import Making
from recommender.model_store import ModelStore
from recommender.progress import Progress

CLIENT, SOURCE = "bench", "bench"
FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)
TITLES, PER_USER, SAMPLE = 10_000, 50, 2_000
_KEY = "no user of a benchmark is ever deleted"
_AT_ONCE = 250_000
_PROC = Path("/proc/self")  # of Linux
_GENRES = ("Action", "Comedy", "Crime", "Drama", "Fantasy", "Horror", "Romance", "Thriller", "War")


@dataclass(frozen=True, slots=True)
class Measured:
    what: str
    rows: int
    seconds: float
    peak_mb: float | None = None  # of this process; None where the system does not tell

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    def as_json(self) -> dict[str, Any]:
        told = {"what": self.what, "rows": self.rows, "seconds": round(self.seconds, 3)}
        return told | {"rows_per_s": round(self.rate), "peak_mb": self.peak_mb and round(self.peak_mb)}


def write_day(data: Store, day: date, rows: int, seed: int) -> None:
    """Fetched, as raw/DAY: people rate what is popular, in the order of time, each some fifty titles."""
    rng = np.random.default_rng(seed)
    making = Making(data, f"{RAW}/{day}")
    with making.file(MOVIES, TITLES) as file:
        file.write(b"movieId,title,genres\n")
        for movie in range(TITLES):
            genres = f"{_GENRES[movie % 9]}|{_GENRES[movie * 7 % 9]}"
            file.write(f"{movie + 1},Film {movie + 1} ({1950 + movie % 75}),{genres}\n".encode())
    with making.file(f"{CLIENT}/{RATINGS}", rows) as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for first in range(0, rows, _AT_ONCE):
            size = min(_AT_ONCE, rows - first)
            file.write(_lines(rng, size, max(rows // PER_USER, 1), begins(day).timestamp(), first / rows))
    making.seal({"day": str(day), "source": SOURCE, "from": "a benchmark"})


def _lines(rng: np.random.Generator, size: int, users: int, start: float, hour: float) -> bytes:
    people = rng.integers(1, users + 1, size).tolist()
    titles = (TITLES * rng.random(size) ** 2).astype(np.int64) + 1
    stars = (rng.integers(1, 11, size) / 2).tolist()
    times = (int(start + hour * 80_000) + np.sort(rng.integers(0, 3_600, size))).tolist()
    rows = zip(people, titles.tolist(), stars, times, strict=True)
    return b"".join(b"%d,%d,%.1f,%d\n" % row for row in rows)


@dataclass(frozen=True, slots=True)
class Bench:
    engine: Engine  # of the pipeline, to an empty database with the client
    data: Store
    models: ModelStore

    def process(self, day: date, progress: Progress) -> None:
        process(
            self.engine,
            self.data,
            self.models,
            str(day),
            reject_limit=0,
            tombstone_key=_KEY,
            progress=progress,
        )

    def load(self, day: date, progress: Progress) -> None:
        load(self.engine, self.data, str(day), datetime.now(UTC), _KEY, progress)


def measure_process(bench: Bench, rows: int, progress: Progress) -> list[Measured]:
    write_day(bench.data, FIRST, rows, seed=1)
    return [measured("process", rows, partial(bench.process, FIRST, progress))]


def measure_load(bench: Bench, rows: int, progress: Progress) -> list[Measured]:
    """Of users who are all new, of users who are all known, and of some rows of the latter one by one."""
    found = []
    for seed, (day, who) in enumerate(((FIRST, "new"), (SECOND, "known")), 1):
        progress("making a day", seed, 2)
        _elsewhere(bench, day, rows, seed)
        found.append(measured(f"load, {who} users", rows, partial(bench.load, day, progress)))
    return [*found, row_by_row(bench)]


def _elsewhere(bench: Bench, day: date, rows: int, seed: int) -> None:
    """In a process of its own, whose memory is not counted."""
    database = bench.engine.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as others:
        others.submit(_make, database, bench.data.url, day, rows, seed).result()


def _make(database: str, folder: str, day: date, rows: int, seed: int) -> None:
    data = Store.at(folder)
    bench = Bench(open_engine(database), data, ModelStore.at(f"{folder}/models", Path(folder, "cache")))
    write_day(data, day, rows, seed)
    bench.process(day, lambda *_: None)


def measured(what: str, rows: int, run: Callable[[], object]) -> Measured:
    _forget_peak()
    start = time.perf_counter()
    run()
    return Measured(what, rows, time.perf_counter() - start, _peak_mb())


def _forget_peak() -> None:
    with suppress(OSError):  # some containers forbid it: then the peak is that of the whole run
        (_PROC / "clear_refs").write_text("5")


def _peak_mb() -> float | None:
    if not _PROC.exists():
        return None
    return int((_PROC / "status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


_ONE_USER = """
INSERT INTO users (client_id, external_id) SELECT client_id, %s FROM clients WHERE username = %s
ON CONFLICT (client_id, external_id) DO NOTHING"""
_ONE_RATING = """
INSERT INTO movies_users_rating AS old (client_id, user_id, movie_id, rating, rated_at)
SELECT client_id, user_id, movie_id, %s, to_timestamp(%s)
FROM clients JOIN users USING (client_id) CROSS JOIN movie_sources
WHERE username = %s AND external_id = %s AND source = %s AND source_id = %s
ON CONFLICT (user_id, movie_id) DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at
WHERE coalesce(old.rated_at, old.received_at) < excluded.rated_at"""


def row_by_row(bench: Bench) -> Measured:
    """The same rows as the file has, with a commit for each, by the plainest driver calls."""
    with bench.data.reading(f"{RAW}/{SECOND}/{CLIENT}/{RATINGS}") as stream:
        lines = [line.decode().rstrip().split(",") for line in islice(stream, 1, SAMPLE + 1)]
    driver: Any = bench.engine.raw_connection()
    cursor = driver.cursor()
    start = time.perf_counter()
    for user, movie, rating, moment in lines:
        cursor.execute(_ONE_USER, (user, CLIENT))
        cursor.execute(_ONE_RATING, (rating, int(moment) + 1, CLIENT, user, SOURCE, movie))
        driver.commit()
    seconds = time.perf_counter() - start
    driver.close()
    return Measured("one commit per row", len(lines), seconds)
