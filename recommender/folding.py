"""Many histories at once: what a model and a catalogue make of them, as arrays. One by one is in model.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.catalogue import Catalogue
from recommender.history import LIKED, History
from recommender.model import Model
from recommender.statistics import rating_values

Ints = NDArray[np.int64]
Single = NDArray[np.float32]
_NOTHING = History.of([])
Wishes = Mapping[int, Mapping[str, float]]  # stated preferences, by the place of the user


@dataclass(frozen=True, slots=True)
class Histories:
    """One user's rows after the other's, each user's as in History."""

    starts: Ints  # where each user's rows start, and where the last user's end
    movie_ids: Ints
    ratings: Single
    times: NDArray[np.float64]

    @classmethod
    def of(cls, histories: Sequence[History]) -> Self:
        starts = np.concatenate([[0], np.cumsum([len(history) for history in histories])]).astype(np.int64)
        if not histories:
            return cls(starts, _NOTHING.movie_ids, _NOTHING.ratings, _NOTHING.times)
        return cls(
            starts,
            np.concatenate([history.movie_ids for history in histories]),
            np.concatenate([history.ratings for history in histories]),
            np.concatenate([history.times for history in histories]),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        return np.diff(self.starts)

    @property
    def users(self) -> Ints:
        """The place of each row's user."""
        return np.repeat(np.arange(len(self)), self.lengths)


@dataclass(frozen=True, slots=True)
class Tastes:
    """Row i is the taste of user i, as Model.taste makes it up to the rounding of sums."""

    vectors: Single  # users by rank
    known: Ints  # movies of each history that the model knows
    prior_weights: Single


def tastes(model: Model, histories: Histories, wishes: Wishes = MappingProxyType({})) -> Tastes:
    rows = model.rows(histories.movie_ids)
    values = rating_values(histories.ratings, model.parameters.taste_values) * _recency(model, histories)
    known = np.bincount(histories.users[rows >= 0], minlength=len(histories))
    said = (rows >= 0) & (values != 0)
    vectors = _table(histories, said, values, rows, len(model.movie_ids)) @ model.left
    vectors *= model.trust(known)
    for place, preferences in wishes.items():
        vectors[place] += model.taste(_NOTHING, preferences).preferences
    return Tastes(vectors, known, model.prior_weight(known).astype(np.float32))


def genre_counts(catalogue: Catalogue, histories: Histories) -> tuple[Single, Ints]:
    """Of each user, how many of the liked movies have each genre, and how many are liked.

    Where a user likes none, all that was rated counts. Movies outside the catalogue say nothing.
    """
    rows, users = catalogue.rows(histories.movie_ids), histories.users
    liked = (histories.ratings >= LIKED) & (rows >= 0)
    likes = np.bincount(users[liked], minlength=len(histories))
    counted = (rows >= 0) & (liked | (likes[users] == 0))
    ones = np.ones(len(rows), np.float32)
    genres = catalogue.genre_matrix.astype(np.float32)
    table = _table(histories, counted, ones, rows, len(catalogue))
    return np.asarray(table @ genres), np.diff(table.indptr).astype(np.int64)


def genre_shares(catalogue: Catalogue, histories: Histories) -> Single:
    """Of each user's liked movies the share that has each genre: users by the catalogue's genres."""
    counts, movies = genre_counts(catalogue, histories)
    return np.asarray(counts / np.maximum(movies, 1)[:, None], np.float32)


def _table(
    histories: Histories, kept: NDArray[np.bool_], values: Single, columns: Ints, width: int
) -> sp.csr_array:
    """Users by movies, of the rows that are kept."""
    ends = np.concatenate([[0], np.cumsum(kept)])
    shape = (len(histories), width)
    return sp.csr_array((values[kept], columns[kept], ends[histories.starts]), shape=shape)


def _recency(model: Model, histories: Histories) -> Single:
    """As in Model: by how many of the user's ratings are newer, the untimed just behind the last timed."""
    times, users = histories.times, histories.users
    untimed = np.isnan(times)
    timed = np.bincount(users[~untimed], minlength=len(histories))[users]
    last = _last_of_equals(times, users)
    places = np.where(untimed, timed, histories.starts[users + 1] - 1 - last)
    floor, span = model.parameters.recency_floor, model.parameters.recency_span
    weights = floor + (1 - floor) * np.exp(-places / span)
    return np.where(timed > 0, weights, 1.0).astype(np.float32)


def _last_of_equals(times: NDArray[np.float64], users: Ints) -> Ints:
    """For each row where its user's last row of the same time stands."""
    if not len(times):
        return np.zeros(0, np.int64)
    differs = (times[1:] != times[:-1]) | (users[1:] != users[:-1])
    ends = np.append(np.flatnonzero(differs), len(times) - 1)
    return np.repeat(ends, np.diff(ends, prepend=-1))
