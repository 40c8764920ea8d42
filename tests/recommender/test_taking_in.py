"""However statistics came about, the same rows give the same bytes."""

import hashlib
from collections.abc import Callable
from functools import reduce
from io import BytesIO
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender import products as matrix
from recommender.errors import BadInput
from recommender.model import DEFAULTS
from recommender.statistics import (
    MOST_RATINGS,
    Rows,
    Statistics,
    merged,
    most_rated,
    newest,
    summed,
    summed_over,
    updated,
    updated_over,
)

VALUES = DEFAULTS.values
History = dict[int, float]  # movie id: rating
World = dict[int, History]  # by user id

stars = st.sampled_from([0.5, 1.0, 2.0, 3.5, 4.0, 5.0])
histories = st.dictionaries(st.integers(1, 9), stars, max_size=6)
worlds = st.dictionaries(st.integers(1, 12), histories, max_size=8)
limits = st.sampled_from([2, 4, 100])
some_examples = settings(max_examples=40, deadline=None)


def rows(world: World) -> Rows:
    found = [(user, movie, mark) for user, own in world.items() for movie, mark in own.items()]
    table = np.array(found, np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2].astype(np.float32)


def digest(sums: Statistics) -> str:
    stream = BytesIO()
    sums.write(stream)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def counted(world: World, limit: int) -> Statistics:
    """From scratch."""
    return summed_over(dense_of(world, limit), *rows(world), VALUES)


def dense_of(world: World, limit: int) -> NDArray[np.int64]:
    return most_rated(*np.unique(np.asarray(rows(world)[1]), return_counts=True), limit)


def some(world: World, keep: Callable[[int], bool]) -> World:
    return {user: own for user, own in world.items() if keep(user)}


@some_examples
@given(world=worlds)
def test_a_count_is_what_counting_by_hand_gives(world: World) -> None:
    sums, marks = counted(world, 100), [mark for own in world.values() for mark in own.items()]
    assert sums.users == sum(bool(own) for own in world.values())
    assert sums.movie_ids.tolist() == sums.dense.tolist() == sorted({movie for movie, _ in marks})
    for row, movie in enumerate(sums.movie_ids):
        stars_of = [mark for rated, mark in marks if rated == movie]
        assert sums.counts[row] == len(stars_of)
        assert sums.likes[row] == sum(mark >= 4 for mark in stars_of)
        for column, other in enumerate(sums.movie_ids):
            pairs = [(own[movie], own[other]) for own in world.values() if {movie, other} <= own.keys()]
            assert sums.products[row, column] == sum(worth(one) * worth(two) for one, two in pairs)


def worth(mark: float) -> int:
    return {0.5: 0, 1.0: 0, 2.0: 2, 3.5: 8, 4.0: 10, 5.0: 12}[mark]  # in tenths


def shard(world: World, number: int) -> World:
    return some(world, lambda user: user % 3 == number)


def after(before: Statistics, was: World, now: World, dense: NDArray[np.int64]) -> Statistics:
    touched = {user for user in was.keys() | now.keys() if was.get(user, {}) != now.get(user, {})}

    def raters(movie_ids: NDArray[np.int64]) -> Rows:
        return rows({user: own for user, own in now.items() if not own.keys().isdisjoint(movie_ids.tolist())})

    old, new = (rows(some(world, touched.__contains__)) for world in (was, now))
    return updated_over(dense, before, old, new, VALUES, raters)


@some_examples
@given(world=worlds, limit=limits, shards=st.permutations(range(3)))
def test_shards_merged_in_any_order_are_the_whole(world: World, limit: int, shards: list[int]) -> None:
    dense, whole = dense_of(world, limit), counted(world, limit)
    parts = [summed_over(dense, *rows(shard(world, k)), VALUES) for k in shards]
    assert digest(reduce(add, parts)) == digest(whole)
    assert digest(merged(parts)) == digest(whole)


@some_examples
@given(days=st.lists(worlds, min_size=2, max_size=4), limit=limits)
def test_days_taken_in_one_by_one_are_a_count_from_scratch(days: list[World], limit: int) -> None:
    """A day adds, changes and takes out what it likes; where the limit binds, it lets other movies in."""
    world, sums = days[0], counted(days[0], limit)
    for day in days[1:]:
        now = {user: world.get(user, {}) | own for user, own in day.items()} if limit == 4 else day
        sums = after(sums, world, now, dense_of(now, limit))
        assert digest(sums) == digest(counted(now, limit))
        world = now


@some_examples
@given(was=worlds, now=worlds, limit=limits)
def test_a_shard_is_brought_up_to_date_by_itself(was: World, now: World, limit: int) -> None:
    dense = dense_of(now, limit)
    old, new = (shard(world, 0) for world in (was, now))
    before = summed_over(dense_of(was, limit), *rows(old), VALUES)
    assert digest(after(before, old, new, dense)) == digest(summed_over(dense, *rows(new), VALUES))


@some_examples
@given(world=worlds, limit=limits, user=st.integers(1, 12))
def test_statistics_without_a_user_are_those_of_a_world_without(world: World, limit: int, user: int) -> None:
    others = some(world, lambda other: other != user)
    without = after(counted(world, limit), world, others, dense_of(others, limit))
    assert digest(without) == digest(counted(others, limit))


@some_examples
@given(was=worlds, now=worlds)
def test_numbers_widen_and_narrow_with_the_sums(was: World, now: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix, "_LARGEST", 250)
        patch.setattr(matrix, "BLOCK", 2)
        dense = dense_of(now, 100)
        sums = after(counted(was, 100), was, now, dense)
        assert digest(sums) == digest(counted(now, 100))
        largest = sums.products.diagonal().max(initial=0)
        assert sums.products.dtype == (np.int64 if largest > 250 else np.int32)


@some_examples
@given(world=worlds, block=st.integers(1, 10))
def test_what_is_read_is_what_was_written_sparse_or_dense(world: World, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix, "BLOCK", block)
        sums = counted(world, 100)
        stream = BytesIO()
        sums.write(stream)
        stream.seek(0)
        read = Statistics.read(stream)
    assert (read.products == sums.products).all()
    assert digest(read) == digest(sums)


def test_few_products_are_written_as_few_and_many_as_all() -> None:
    users = np.arange(2000)
    alone, shared = (summed(users, movies, np.full(2000, 5), VALUES, 5000) for movies in (users, users % 40))
    everything = counted({user: dict.fromkeys(range(1, 9), 5.0) for user in range(1, 4)}, 100)
    assert [table.ndim for table in matrix.blocks(alone.products)] == [1, 1, 1, 1]
    assert [table.ndim for table in matrix.blocks(shared.products)] == [1, 1]
    assert [table.ndim for table in matrix.blocks(everything.products)] == [2]


def test_updating_leaves_what_it_started_from_as_it_was() -> None:
    was, now = {1: {1: 5.0, 2: 4.0}}, {1: {1: 5.0, 2: 1.0}}
    before = counted(was, 10)
    kept = digest(before)
    assert digest(updated(before, rows(was), rows(now), VALUES, 10, lambda _: rows(now))) != kept
    assert digest(before) == kept


def test_ratings_that_were_never_counted_are_not_taken_out() -> None:
    with pytest.raises(BadInput, match="never counted"):
        updated(
            counted({1: {1: 5.0, 2: 5.0}}, 10), rows({2: {3: 4.0}}), rows({}), VALUES, 10, lambda _: rows({})
        )


def test_a_movie_with_one_rating_is_counted_and_not_solved_for() -> None:
    sums = counted({1: {1: 5.0, 2: 4.0, 3: 1.0}, 2: {1: 5.0, 2: 5.0}}, 10)
    assert sums.dense.tolist() == [1, 2, 3]
    assert sums.solved.tolist() == [1, 2]
    assert sums.gram.shape == (2, 2)
    assert counted({1: {1: 5.0, 2: 5.0}}, 10).solved.tolist() == [1, 2], "all, where none has two"


@some_examples
@given(order=st.permutations(range(12)))
def test_of_a_user_the_newest_ratings_count_by_time_and_movie(order: list[int]) -> None:
    users = np.array([1] * 7 + [2] * 5)[order]
    movies = np.array([1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5])[order]
    times = np.array([np.nan, 30, 20, np.nan, 20, 10, 20, 1, 2, 3, 4, 5])[order]
    kept = newest(users, movies, times, 4)
    assert sorted(movies[kept & (users == 1)]) == [2, 3, 5, 7]
    assert sorted(movies[kept & (users == 2)]) == [2, 3, 4, 5]
    assert sorted(movies[newest(users, movies, None, 4) & (users == 1)]) == [4, 5, 6, 7]
    assert newest(users, movies, times).all()
    assert MOST_RATINGS == 2_000
