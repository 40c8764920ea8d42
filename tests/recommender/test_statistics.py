"""Sums in whole numbers: parts make the whole, byte for byte."""

import io

import numpy as np
import pytest

from recommender import products as matrix
from recommender.errors import BadInput
from recommender.evaluation import Ratings
from recommender.model import DEFAULTS
from recommender.statistics import Statistics, rating_values, summed, summed_over

VALUES = DEFAULTS.values


def written(sums: Statistics) -> bytes:
    stream = io.BytesIO()
    sums.write(stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def whole(ratings: Ratings) -> Statistics:
    return summed(ratings.users, ratings.movie_ids, ratings.ratings, VALUES, 200)


def test_the_order_of_the_rows_means_nothing(ratings: Ratings, whole: Statistics) -> None:
    mixed = ratings.take(np.random.default_rng(0).permutation(len(ratings)))
    again = summed(mixed.users, mixed.movie_ids, mixed.ratings, VALUES, 200)
    assert written(again) == written(whole)


def test_a_part_without_ratings_adds_nothing(ratings: Ratings, whole: Statistics) -> None:
    nothing = summed_over(whole.dense, [], [], [], VALUES)
    assert nothing.users == 0
    assert written(whole + nothing) == written(nothing + whole) == written(whole)


def test_what_is_read_is_what_was_written(whole: Statistics) -> None:
    read = Statistics.read(io.BytesIO(written(whole)))
    assert written(read) == written(whole)
    assert read.users == whole.users


def test_half_stars_are_summed_exactly(ratings: Ratings, whole: Statistics) -> None:
    movie = whole.dense[0]
    own = rating_values(ratings.ratings[ratings.movie_ids == movie], VALUES).astype(np.float64)
    assert whole.gram[0, 0] == np.float32(np.round(np.sum(own**2), 2))


def test_statistics_over_other_movies_are_not_added(whole: Statistics) -> None:
    other = summed_over(whole.dense[1:], [1], [whole.dense[0]], [4], VALUES)
    with pytest.raises(BadInput, match="other movies"):
        whole + other


def test_numbers_widen_where_the_sums_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "_LARGEST", 500)
    users, movies = np.repeat(np.arange(4), 2), np.tile([1, 2], 4)
    whole = summed(users, movies, np.full(8, 5), VALUES, 10)
    halves = [summed_over(whole.dense, users[i : i + 4], movies[i : i + 4], [5] * 4, VALUES) for i in (0, 4)]
    assert whole.products.tolist() == [[576, 576], [576, 576]]
    assert [sums.products.dtype.name for sums in (whole, *halves)] == ["int64", "int32", "int32"]
    assert written(halves[0] + halves[1]) == written(whole)


@pytest.mark.parametrize(("largest", "dtype"), [(2**31 - 1, np.int32), (500, np.int64)])
def test_half_of_the_products_and_its_mirror_are_the_whole(
    ratings: Ratings, whole: Statistics, largest: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = np.unique(ratings.users, return_inverse=True)[1]
    places = np.searchsorted(whole.dense, ratings.movie_ids).clip(max=len(whole.dense) - 1)
    solved = whole.dense[places] == ratings.movie_ids
    table = np.zeros((people.max() + 1, len(whole.dense)), dtype)
    table[people[solved], places[solved]] = np.rint(10 * rating_values(ratings.ratings[solved], VALUES))
    monkeypatch.setattr(matrix, "_LARGEST", largest)
    monkeypatch.setattr(matrix, "BLOCK", 37)
    columns = ratings.users, ratings.movie_ids, ratings.ratings
    products = summed_over(whole.dense, *columns, VALUES).products
    assert products.dtype == dtype
    assert products.tobytes() == (table.T @ table).tobytes()


@pytest.mark.parametrize("content", [b"", b"damage", b"PK\x03\x04 damage"])
def test_what_is_no_statistics_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="no statistics"):
        Statistics.read(io.BytesIO(content))


def test_a_pickle_is_refused(whole: Statistics) -> None:
    stream = io.BytesIO()
    np.savez(stream, movie_ids=np.array([{}], object))
    stream.seek(0)
    with pytest.raises(BadInput):
        Statistics.read(stream)
