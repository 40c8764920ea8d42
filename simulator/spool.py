"""Ratings of many viewers on their way into days: written block by block of users, read day by day."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.history import replacing
from simulator.viewers import Ratings

ROW = np.dtype([("day", "<i4"), ("user", "<i8"), ("movie", "<i8"), ("stars", "<f4"), ("time", "<i8")])
_PLAN = "plan.json"


class Spool:
    """Blocks that are whole stay when a run breaks off, for the run that has the same plan."""

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self._folder = folder
        self._days: dict[int, dict[int, tuple[int, int]]] = {}
        written = json.dumps(plan, indent=2, sort_keys=True).encode()
        if not (folder / _PLAN).is_file() or (folder / _PLAN).read_bytes() != written:
            self.remove()
            folder.mkdir(parents=True)
            with replacing(folder / _PLAN) as file:
                file.write(written)

    def holds(self, block: int) -> bool:
        return self._path(block).is_file()

    def keep(self, block: int, lives: Iterable[tuple[int, int, Ratings]]) -> None:
        """Day, user and ratings; a day keeps the order in which they come."""
        rows = np.concatenate([np.empty(0, ROW), *(as_rows(*part) for part in lives)])
        with replacing(self._path(block)) as file:
            np.save(file, rows[np.argsort(rows["day"], kind="stable")], allow_pickle=False)

    def of_day(self, block: int, day: int) -> NDArray[np.void]:
        rows = np.load(self._path(block), mmap_mode="r", allow_pickle=False)
        if block not in self._days:  # looked up once: the days of a block are many
            self._days[block] = dict(zip(*split(rows["day"]), strict=True))
        start, end = self._days[block].get(day, (0, 0))
        return np.array(rows[start:end])

    def remove(self) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _path(self, block: int) -> Path:
        return self._folder / f"{block:06d}.npy"


def split(days: NDArray[np.int32]) -> tuple[list[int], list[tuple[int, int]]]:
    """The days that are there, and from where to where each goes."""
    found, starts = np.unique(days, return_index=True)
    ends = [*starts[1:].tolist(), len(days)]
    return found.tolist(), list(zip(starts.tolist(), ends, strict=True))


def as_rows(day: int, user_id: int, ratings: Ratings) -> NDArray[np.void]:
    rows = np.empty(len(ratings), ROW)
    rows["day"], rows["user"] = day, user_id
    rows["movie"], rows["stars"], rows["time"] = ratings.movie_ids, ratings.stars, ratings.times
    return rows


def lines(rows: NDArray[np.void]) -> Iterator[bytes]:
    columns = (rows[name].tolist() for name in ("user", "movie", "stars", "time"))
    for row in zip(*columns, strict=True):
        yield b"%d,%d,%.1f,%d\n" % row
