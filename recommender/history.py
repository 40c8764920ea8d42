"""What one user has rated, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recommender.errors import BadInput

LIKED = 4.0  # a movie without a rating counts as liked
LOWEST, HIGHEST = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class History:
    """Distinct movies, oldest first; those without a time stand before all others."""

    movie_ids: NDArray[np.int64]
    ratings: NDArray[np.float32]
    times: NDArray[np.float64]  # unix seconds, NaN = unknown

    @classmethod
    def of(
        cls,
        movie_ids: ArrayLike,
        ratings: ArrayLike | Sequence[float | None] | None = None,
        times: ArrayLike | Sequence[float | None] | None = None,
    ) -> Self:
        """A missing rating is a like; a movie given twice keeps its later rating."""
        ids = np.asarray(movie_ids, np.int64).reshape(-1)
        marks = _column(ratings, len(ids), "ratings")
        marks = np.where(np.isnan(marks), LIKED, marks)
        if len(marks) and not (marks.min() >= LOWEST and marks.max() <= HIGHEST):
            raise BadInput(f"a rating is from {LOWEST} to {HIGHEST}")
        moments = _column(times, len(ids), "times")
        kept = _latest(ids, moments)
        return cls(ids[kept], marks[kept].astype(np.float32), moments[kept])

    def __len__(self) -> int:
        return len(self.movie_ids)

    def merged(self, other: Self) -> Self:
        """Both; where neither time decides, ``other`` is the later."""
        return self.of(
            np.concatenate([self.movie_ids, other.movie_ids]),
            np.concatenate([self.ratings, other.ratings]),
            np.concatenate([self.times, other.times]),
        )


def _column(values: ArrayLike | Sequence[float | None] | None, size: int, name: str) -> NDArray[np.float64]:
    if values is None:
        return np.full(size, np.nan)
    column = np.asarray(values, np.float64).reshape(-1)  # None becomes NaN
    if len(column) != size:
        raise BadInput(f"{len(column)} {name} for {size} movies")
    if np.isinf(column).any():
        raise BadInput(f"{name} must be finite")
    return column


def _latest(ids: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where each movie stands last, in time order."""
    order = np.argsort(np.where(np.isnan(times), -np.inf, times), kind="stable")
    _, last = np.unique(ids[order][::-1], return_index=True)
    return order[np.sort(len(ids) - 1 - last)]
