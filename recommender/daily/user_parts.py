"""A client's parts as Parquet: the ratings of each user, and what they say of the user."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommender.daily.known import DayMovies
from recommender.daily.parquet import RATINGS_SCHEMA, USERS_SCHEMA, ratings_part, users_part, write_tables
from recommender.daily.partitioning import Part
from recommender.folding import Histories, genre_shares, tastes
from recommender.manifests import Making
from recommender.model import Model

_USERS_AT_ONCE = 8192  # bounds the memory of their vectors


@dataclass(frozen=True, slots=True)
class PartWriter:
    making: Making
    client: str
    movies: DayMovies
    model: Model | None

    def write(self, number: int, part: Part) -> None:
        with self.making.file(ratings_part(self.client, number)) as stream:
            stream.rows = write_tables(stream.as_file(), RATINGS_SCHEMA, [self._ratings(part)])
        with self.making.file(users_part(self.client, number)) as stream:
            stream.rows = write_tables(stream.as_file(), USERS_SCHEMA, self._users(part))

    def _ratings(self, part: Part) -> pa.Table:
        used, movies = np.unique(part.movies, return_inverse=True)
        source_ids = pa.array([self.movies.source_ids[code] for code in used.tolist()], pa.string())
        columns: list[Any] = [
            _coded(part.users, part.external_ids),
            _coded(movies, source_ids),
            *(part.ratings, part.times, part.lines),
        ]
        return pa.table(columns, schema=RATINGS_SCHEMA)

    def _users(self, part: Part) -> Iterator[pa.Table]:
        for first in range(0, len(part), _USERS_AT_ONCE):
            last = min(first + _USERS_AT_ONCE, len(part))
            histories = _histories(part, first, last)
            profiles = genre_shares(self.movies.catalogue, histories)
            columns: list[Any] = [
                part.external_ids[first:last],
                histories.lengths.astype(np.int32),
                _lists(profiles),
                self._tastes(histories),
            ]
            yield pa.table(columns, schema=USERS_SCHEMA)

    def _tastes(self, histories: Histories) -> Any:
        if self.model is None:
            return pa.nulls(len(histories), USERS_SCHEMA.field("taste").type)
        ids = self.movies.movie_ids[histories.movie_ids]
        known = Histories(histories.starts, ids, histories.ratings, histories.times)
        return _lists(tastes(self.model, known).vectors)


def _histories(part: Part, first: int, last: int) -> Histories:
    """Each user's rows in the order of time; movies by their codes."""
    start, end = part.starts[first], part.starts[last]
    users, times = part.users[start:end], part.times[start:end]
    order = start + np.lexsort((times, users))
    starts = part.starts[first : last + 1] - start
    return Histories(starts, part.movies[order], part.ratings[order], part.times[order])


def _coded(codes: NDArray[np.int64], names: Any) -> Any:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), names)


def _lists(table: NDArray[np.float32]) -> Any:
    """A row of the table as a list."""
    rows, width = table.shape
    kind = USERS_SCHEMA.field("genre_profile").type
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(table.ravel(), pa.float32()), type=kind)
