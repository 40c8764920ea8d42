"""What a model is computed from: sums over users, in whole numbers, so that parts add up to the same."""

import zipfile
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from recommender.catalogue import rows_in
from recommender.errors import BadInput
from recommender.history import HIGHEST, LIKED, LOWEST

Ints = NDArray[np.int64]
_STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
_TENTHS = 10  # what a rating counts for is summed in tenths: exact for half stars, in any order
_BLOCK = 1000  # columns of the Gram matrix made at once: bounds the memory of the sparse product
_ENOUGH = 2  # ratings that give a movie a row of its own; below, its features say more
_LARGEST = np.iinfo(np.int32).max


def rating_values(ratings: ArrayLike, per_star: tuple[float, ...]) -> NDArray[np.float32]:
    """What each rating counts for: a value per star, straight lines between."""
    return np.interp(np.asarray(ratings, np.float64), _STARS, per_star).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of users who are in no other part. Parts that are added have the same dense movies."""

    movie_ids: Ints  # ascending, every movie that somebody rated
    counts: Ints  # ratings of each
    likes: Ints  # ratings of 4 and more of each
    users: int
    dense: Ints  # ids of the movies of the Gram matrix, ascending
    products: NDArray[np.signedinteger[Any]]  # XᵀX over those, X = users by movies in tenths

    def __add__(self, other: Self) -> "Statistics":
        if not np.array_equal(self.dense, other.dense):
            raise BadInput("statistics over other movies cannot be added")
        ids = np.union1d(self.movie_ids, other.movie_ids)
        counts, likes = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        for part in (self, other):
            rows = rows_in(ids, part.movie_ids)
            counts[rows] += part.counts
            likes[rows] += part.likes
        size = _size(self.products.diagonal().astype(np.int64) + other.products.diagonal())
        products = np.add(self.products, other.products, dtype=size)
        return Statistics(ids, counts, likes, self.users + other.users, self.dense, products)

    @property
    def gram(self) -> NDArray[np.float32]:
        gram = np.empty(self.products.shape, np.float32)
        for start in range(0, len(gram), _BLOCK):
            gram[start : start + _BLOCK] = self.products[start : start + _BLOCK] / _TENTHS**2
        return gram

    def write(self, stream: BinaryIO) -> None:
        tables: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez(stream, allow_pickle=False, **tables)

    @classmethod
    def read(cls, stream: BinaryIO) -> Self:
        try:
            with np.load(stream, allow_pickle=False) as tables:
                read: dict[str, Any] = {field.name: tables[field.name] for field in fields(cls)}
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(f"these are no statistics: {error}") from None
        return cls(**{**read, "users": int(read["users"])})


def most_rated(movie_ids: Ints, counts: Ints, limit: int) -> Ints:
    """The movies to solve for, of all that somebody rated."""
    ranked = np.argsort(-counts, kind="stable")[:limit]
    enough = ranked[counts[ranked] >= _ENOUGH]
    return np.sort(movie_ids[enough if len(enough) else ranked])


def summed(
    users: ArrayLike, movie_ids: ArrayLike, ratings: ArrayLike, per_star: tuple[float, ...], dense_limit: int
) -> Statistics:
    """One entry per rating; each user has a movie at most once."""
    ids, counts = np.unique(np.asarray(movie_ids, np.int64), return_counts=True)
    if not len(ids):
        raise BadInput("there are no ratings to learn from")
    return summed_over(most_rated(ids, counts, dense_limit), users, movie_ids, ratings, per_star)


def summed_over(
    dense: Ints, users: ArrayLike, movie_ids: ArrayLike, ratings: ArrayLike, per_star: tuple[float, ...]
) -> Statistics:
    """The same of some users only, for movies chosen by what all users rated; there may be no rating."""
    who, what, marks = np.asarray(users), np.asarray(movie_ids, np.int64), np.asarray(ratings, np.float32)
    _check(who, what, marks)
    ids, columns = np.unique(what, return_inverse=True)
    people, rows = np.unique(who, return_inverse=True)
    counts = np.bincount(columns, minlength=len(ids))
    likes = np.bincount(columns[marks >= LIKED], minlength=len(ids))
    places = rows_in(dense, what)
    solved = places >= 0
    where = rows[solved], places[solved]
    products = _products(_tenths(marks[solved], per_star), where, (len(people), len(dense)))
    return Statistics(ids, counts, likes, len(people), dense, products)


def _check(users: NDArray[Any], movie_ids: Ints, ratings: NDArray[np.float32]) -> None:
    if not len(users) == len(movie_ids) == len(ratings):
        raise BadInput(f"{len(users)} users, {len(movie_ids)} movies and {len(ratings)} ratings do not match")
    if not ((ratings >= LOWEST) & (ratings <= HIGHEST)).all():  # NaN fails here too
        raise BadInput(f"a rating is from {LOWEST} to {HIGHEST}")


def _tenths(ratings: NDArray[np.float32], per_star: tuple[float, ...]) -> Ints:
    return np.rint(np.interp(ratings.astype(np.float64), _STARS, per_star) * _TENTHS).astype(np.int64)


def _products(
    values: Ints, where: tuple[Ints, Ints], shape: tuple[int, int]
) -> NDArray[np.signedinteger[Any]]:
    """No entry is larger than the largest of the diagonal, which tells how wide a number must be."""
    squares = np.bincount(where[1], values**2, minlength=shape[1])
    table = sp.csc_array((values.astype(_size(squares)), where), shape=shape)
    if table.nnz != len(values):
        raise BadInput("a user has rated a movie twice")
    table.eliminate_zeros()
    return _crossed(table)


def _crossed(table: sp.csc_array) -> NDArray[np.signedinteger[Any]]:
    """XᵀX: of each block of rows what stands on and right of the diagonal, then its mirror image."""
    movies = table.shape[1]
    products = np.empty((movies, movies), table.dtype)
    transposed = table.T
    for start in range(0, movies, _BLOCK):
        stop = min(start + _BLOCK, movies)
        products[start:stop, start:] = (transposed[start:stop] @ table[:, start:].tocsr()).toarray()
        products[stop:, start:stop] = products[start:stop, stop:].T
    return products


def _size(diagonal: NDArray[Any]) -> type[np.signedinteger[Any]]:
    return np.int32 if diagonal.max(initial=0) <= _LARGEST else np.int64
