"""What a model is computed from: sums over users, in whole numbers, so that parts add up to the same.

Counted whole, in parts, or brought up to date by users who changed: the same rows give the same bytes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, count, islice
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from recommender import products as matrix
from recommender.catalogue import rows_in
from recommender.errors import BadInput
from recommender.history import HIGHEST, LIKED, LOWEST
from recommender.products import Ints, Products

Rows = tuple[ArrayLike, ArrayLike, ArrayLike]  # users, movie ids, ratings; a user has a movie at most once
_STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
_TENTHS = 10  # what a rating counts for is summed in tenths: exact for half stars, in any order
MOST_RATINGS = 2_000  # of one user that are learned from
_ENOUGH = 2  # ratings that give a movie a row of its own; below, its features say more
_FEW_TIMES = 4  # as many numbers as there are rows may be counted to find out which occur
_NONE: Ints = np.zeros(0, np.int64)
_NO_ROWS: Rows = _NONE, _NONE, _NONE


def rating_values(ratings: ArrayLike, per_star: tuple[float, ...]) -> NDArray[np.float32]:
    """What each rating counts for: a value per star, straight lines between."""
    return np.interp(np.asarray(ratings, np.float64), _STARS, per_star).astype(np.float32)


def newest(
    users: ArrayLike, movie_ids: ArrayLike, times: ArrayLike | None, most: int = MOST_RATINGS
) -> NDArray[np.bool_]:
    """Which rows are learned from: the newest of each user, by time and movie id; no time is the oldest."""
    numbers, _ = _numbered(np.asarray(users))
    found = np.ones(len(numbers), bool)
    rows = np.flatnonzero((np.bincount(numbers) > most)[numbers])
    moments = np.zeros(len(rows)) if times is None else np.asarray(times, np.float64)[rows]
    moments = np.where(np.isnan(moments), -np.inf, moments)
    rows = rows[np.lexsort((np.asarray(movie_ids)[rows], moments, numbers[rows]))]
    ends = np.searchsorted(numbers[rows], numbers[rows], side="right")
    found[rows[ends - np.arange(len(rows)) > most]] = False
    return found


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of users who are in no other part. Parts that are added have the same dense movies."""

    movie_ids: Ints  # ascending, every movie that somebody rated
    counts: Ints  # ratings of each
    likes: Ints  # ratings of 4 and more of each
    users: int
    dense: Ints  # ids of the movies whose products are kept, ascending
    products: Products  # XᵀX over those, X = users by movies in tenths

    def __add__(self, other: Self) -> "Statistics":
        return _add_to(replace(self, products=self.products.copy()), other)

    @property
    def solved(self) -> Ints:
        """The dense movies with enough ratings to be solved for; all of them where none has enough."""
        counts = np.append(self.counts, 0)[rows_in(self.movie_ids, self.dense)]  # 0 for a place of -1
        enough = self.dense[counts >= _ENOUGH]
        return enough if len(enough) else self.dense

    @property
    def gram(self) -> NDArray[np.float32]:
        """Over the solved movies."""
        places = rows_in(self.dense, self.solved)
        gram = np.empty((len(places), len(places)), np.float32)
        whole = len(places) == len(self.dense)
        for start in range(0, len(gram), matrix.BLOCK):
            block = slice(start, start + matrix.BLOCK)
            rows = self.products[block] if whole else self.products[places[block]][:, places]
            np.divide(rows, _TENTHS**2, out=gram[block], casting="same_kind")
        return gram

    def write(self, stream: BinaryIO) -> None:
        tally = self.movie_ids, self.counts, self.likes, np.array(self.users), self.dense
        for table in chain(tally, [np.zeros(0, self.products.dtype)], matrix.blocks(self.products)):
            np.lib.format.write_array(stream, table, allow_pickle=False)

    @classmethod
    def read(cls, stream: BinaryIO) -> Self:
        try:
            tables = (np.lib.format.read_array(stream, allow_pickle=False) for _ in count())
            movie_ids, counts, likes, users, dense, size = islice(tables, 6)
            tally = movie_ids, counts, likes, int(users)
            return cls(*tally, dense, matrix.joined(len(dense), size.dtype, tables))
        except (ValueError, TypeError) as error:
            raise BadInput(f"these are no statistics: {error}") from None


def most_rated(movie_ids: Ints, counts: Ints, limit: int) -> Ints:
    """The movies whose products are kept, of all that somebody rated (``movie_ids`` ascend)."""
    return np.sort(movie_ids[np.argsort(-counts, kind="stable")[:limit]])


def summed(
    users: ArrayLike, movie_ids: ArrayLike, ratings: ArrayLike, per_star: tuple[float, ...], dense_limit: int
) -> Statistics:
    """One entry per rating; each user has a movie at most once."""
    ids, counts, _ = _movies(np.asarray(movie_ids, np.int64))
    if not len(ids):
        raise BadInput("there are no ratings to learn from")
    return summed_over(most_rated(ids, counts, dense_limit), users, movie_ids, ratings, per_star)


def summed_over(
    dense: Ints, users: ArrayLike, movie_ids: ArrayLike, ratings: ArrayLike, per_star: tuple[float, ...]
) -> Statistics:
    """The same of some users only, for movies chosen by what all users rated; there may be no rating."""
    nothing = Statistics(_NONE, _NONE, _NONE, 0, _NONE, np.zeros((0, 0), np.int32))
    new = users, movie_ids, ratings
    return updated_over(dense, nothing, _NO_ROWS, new, per_star, lambda _: _NO_ROWS)


def updated(
    before: Statistics,
    old: Rows,
    new: Rows,
    per_star: tuple[float, ...],
    dense_limit: int,
    raters: Callable[[Ints], Rows],
) -> Statistics:
    """``before`` with the whole histories that some users had then replaced by those they have now.

    Who is new has no old rows, who is gone no new ones. ``raters`` is asked only where the limit lets movies
    in that were rated before: for all rows, as they are now, of at least the users who rated one of them.
    """
    ids, counts, _ = _tally(
        (before, 1), (_count(_NONE, old, per_star), -1), (_count(_NONE, new, per_star), 1)
    )
    if not len(ids):
        raise BadInput("there are no ratings to learn from")
    return updated_over(most_rated(ids, counts, dense_limit), before, old, new, per_star, raters)


def updated_over(
    dense: Ints,
    before: Statistics,
    old: Rows,
    new: Rows,
    per_star: tuple[float, ...],
    raters: Callable[[Ints], Rows],
) -> Statistics:
    """The same of a part, for movies chosen by what all users rate now; there may be no rating left."""
    gone, come = _count(dense, old, per_star), _count(dense, new, per_star)
    places = rows_in(before.dense, dense)
    was = np.append(before.products.diagonal(), 0)[places]  # 0 for a place of -1
    diagonal = was.astype(np.int64) + come.squares - gone.squares
    # Users who did not change may have rated a movie that was not dense before.
    entering = (places < 0) & (rows_in(before.movie_ids, dense) >= 0)
    theirs = _count(dense, raters(dense[entering]) if entering.any() else _NO_ROWS, per_star)
    diagonal[entering] = theirs.squares[entering]
    products = matrix.moved(before.products, places, matrix.width(diagonal))
    matrix.cross(products, gone.table, -1)
    matrix.cross(products, come.table, 1)
    matrix.mirror(products)
    columns = (theirs.table.T @ theirs.table[:, np.flatnonzero(entering)]).toarray()
    products[:, entering], products[entering] = columns, columns.T
    users = before.users - gone.users + come.users
    return Statistics(*_tally((before, 1), (gone, -1), (come, 1)), users, dense, products)


def merged(parts: Iterable[Statistics]) -> Statistics:
    """The sum of parts that nobody else needs: the first is added to in place."""
    return reduce(_add_to, parts)


def _add_to(total: Statistics, part: Statistics) -> Statistics:
    if not np.array_equal(total.dense, part.dense):
        raise BadInput("statistics over other movies cannot be added")
    diagonal = total.products.diagonal().astype(np.int64) + part.products.diagonal()
    products = total.products.astype(matrix.width(diagonal), copy=False)
    np.add(products, part.products, out=products, casting="same_kind")
    return Statistics(*_tally((total, 1), (part, 1)), total.users + part.users, total.dense, products)


class _Counted(NamedTuple):
    movie_ids: Ints
    counts: Ints
    likes: Ints
    users: int
    table: sp.csc_array  # users by dense movies
    squares: Ints  # the diagonal of its product


def _count(dense: Ints, rows: Rows, per_star: tuple[float, ...]) -> _Counted:
    who, what, marks = np.asarray(rows[0]), np.asarray(rows[1], np.int64), np.asarray(rows[2], np.float32)
    _check(who, what, marks)
    ids, counts, columns = _movies(what)
    likes = np.bincount(columns[marks >= LIKED], minlength=len(ids))
    people, users = _numbered(who)
    places = rows_in(dense, ids)[columns] if len(ids) else columns
    kept = places >= 0
    where = people[kept], places[kept]
    table, squares = matrix.table(tenths(marks[kept], per_star), where, (users, len(dense)))
    return _Counted(ids, counts, likes, users, table, squares)


def _movies(movie_ids: Ints) -> tuple[Ints, Ints, Ints]:
    """The distinct ones, ascending; how many rows each has; and where each row's stands among them."""
    if movie_ids.min(initial=0) < 0 or movie_ids.max(initial=0) > _FEW_TIMES * len(movie_ids):
        ids, counts = np.unique(movie_ids, return_counts=True)
        return ids, counts, np.searchsorted(ids, movie_ids)
    counts = np.bincount(movie_ids)  # ids that are not far apart need not be sorted
    ids = np.flatnonzero(counts)
    return ids, counts[ids], (np.cumsum(counts > 0) - 1)[movie_ids]


def _numbered(users: NDArray[Any]) -> tuple[Ints, int]:
    """From 0 on, and how many users there are; those that stand in order need not be sorted."""
    if (users[1:] >= users[:-1]).all():
        numbers = np.cumsum(np.append(False, users[1:] != users[:-1])[: len(users)])
        return numbers, int(numbers[-1]) + 1 if len(users) else 0
    _, numbers = np.unique(users, return_inverse=True)
    return numbers, int(numbers.max()) + 1


def _check(users: NDArray[Any], movie_ids: Ints, ratings: NDArray[np.float32]) -> None:
    if not len(users) == len(movie_ids) == len(ratings):
        raise BadInput(f"{len(users)} users, {len(movie_ids)} movies and {len(ratings)} ratings do not match")
    if not ((ratings >= LOWEST) & (ratings <= HIGHEST)).all():  # NaN fails here too
        raise BadInput(f"a rating is from {LOWEST} to {HIGHEST}")


def tenths(ratings: NDArray[np.float32], per_star: tuple[float, ...]) -> Ints:
    return np.rint(np.interp(ratings.astype(np.float64), _STARS, per_star) * _TENTHS).astype(np.int64)


def _tally(*parts: tuple[Statistics | _Counted, int]) -> tuple[Ints, Ints, Ints]:
    """Ids, counts and likes of all parts, each with its sign; movies that nobody rates are dropped."""
    ids = np.unique(np.concatenate([part.movie_ids for part, _ in parts]))
    counts, likes = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
    for part, sign in parts:
        rows = rows_in(ids, part.movie_ids)
        counts[rows] += sign * part.counts
        likes[rows] += sign * part.likes
    if min(counts.min(initial=0), likes.min(initial=0)) < 0:
        raise BadInput("ratings cannot be taken out of statistics that never counted them")
    rated = counts > 0
    return ids[rated], counts[rated], likes[rated]
