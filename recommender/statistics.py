"""What a model is computed from: sums over users, so that they can be made in parts and added."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from recommender.errors import BadInput
from recommender.history import HIGHEST, LIKED, LOWEST

_STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
_BLOCK = 1000  # columns of the Gram matrix made at once: bounds the memory of the sparse product
_ENOUGH = 2  # ratings that give a movie a row of its own; below, its features say more


def rating_values(ratings: ArrayLike, per_star: tuple[float, ...]) -> NDArray[np.float32]:
    """What each rating counts for: a value per star, straight lines between."""
    return np.interp(np.asarray(ratings, np.float64), _STARS, per_star).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Statistics:
    movie_ids: NDArray[np.int64]  # ascending, every movie that somebody rated
    counts: NDArray[np.int64]  # ratings of each
    likes: NDArray[np.int64]  # ratings of 4 and more of each
    users: int
    dense_rows: NDArray[np.int64]  # where the movies of the Gram matrix stand among them: the most rated
    gram: NDArray[np.float32]  # XᵀX over those, X = users by movies


def summed(
    users: ArrayLike, movie_ids: ArrayLike, ratings: ArrayLike, per_star: tuple[float, ...], dense_limit: int
) -> Statistics:
    """One entry per rating; each user has a movie at most once."""
    who, what, marks = np.asarray(users), np.asarray(movie_ids, np.int64), np.asarray(ratings, np.float32)
    _check(who, what, marks)
    ids, columns = np.unique(what, return_inverse=True)
    people, rows = np.unique(who, return_inverse=True)
    counts = np.bincount(columns, minlength=len(ids))
    likes = np.bincount(columns[marks >= LIKED], minlength=len(ids))
    shape = (len(people), len(ids))
    table = sp.coo_array((rating_values(marks, per_star), (rows, columns)), shape=shape).tocsc()
    if table.nnz != len(marks):
        raise BadInput("a user has rated a movie twice")
    dense = _most_rated(counts, dense_limit)
    return Statistics(ids, counts, likes, len(people), dense, _gram(table[:, dense]))


def _check(users: NDArray[Any], movie_ids: NDArray[np.int64], ratings: NDArray[np.float32]) -> None:
    if not len(users) == len(movie_ids) == len(ratings):
        raise BadInput(f"{len(users)} users, {len(movie_ids)} movies and {len(ratings)} ratings do not match")
    if not len(ratings):
        raise BadInput("there are no ratings to learn from")
    if not (ratings.min() >= LOWEST and ratings.max() <= HIGHEST):  # NaN fails here too
        raise BadInput(f"a rating is from {LOWEST} to {HIGHEST}")


def _most_rated(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    ranked = np.argsort(-counts, kind="stable")[:limit]
    enough = ranked[counts[ranked] >= _ENOUGH]
    return np.sort(enough if len(enough) else ranked)


def _gram(table: sp.csc_array) -> NDArray[np.float32]:
    size = table.shape[1]
    gram = np.empty((size, size), np.float32)
    transposed = table.T.tocsr()
    for start in range(0, size, _BLOCK):
        gram[start : start + _BLOCK] = (transposed[start : start + _BLOCK] @ table).toarray()
    return gram
