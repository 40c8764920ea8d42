"""The titles of a platform: most are there from the opening, others join in the weeks after it."""

import csv
import io

import numpy as np

from simulator.history import movies_of
from simulator.movies import Rows

_STREAM = 14


class Programme:
    """`joining` is the share of titles that join, each on a day of its own."""

    def __init__(self, data: bytes, name: str, seed: int, days: int, joining: float) -> None:
        self.movies = movies_of(data, name, seed)
        self._row = {movie_id: row for row, movie_id in enumerate(self.movies.listing.movie_ids.tolist())}
        table = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        self._head, *self._lines = [line for line in table if line]
        self._title = self._head.index("title")
        rng = np.random.default_rng([seed, _STREAM])
        first = rng.integers(1, max(days, 2), size=len(self._lines))
        self._first = np.where(rng.random(len(self._lines)) < joining, first, 0)

    def rows(self, movie_ids: Rows) -> Rows:
        return np.array([self._row[movie_id] for movie_id in movie_ids.tolist()], np.int64)

    def movie_ids(self, rows: Rows) -> Rows:
        return self.movies.listing.movie_ids[rows]

    def missing(self, day: int) -> Rows:
        """Titles that nobody can watch on this day."""
        return np.flatnonzero(self._first > day)

    def titles(self, day: int) -> dict[int, str]:
        return {row: self._lines[row][self._title].strip() for row in self._there(day)}

    def file(self, day: int) -> bytes:
        """A movies file of the titles that are there on this day."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._head)
        writer.writerows(self._lines[row] for row in self._there(day))
        return text.getvalue().encode()

    def _there(self, day: int) -> list[int]:
        there: list[int] = np.flatnonzero(self._first <= day).tolist()
        return there
