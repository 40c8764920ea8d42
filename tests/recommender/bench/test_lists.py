import numpy as np
import pytest

from recommender.bench.lists import genre_distance, vector_distance
from recommender.bench.quality import novelty
from recommender.catalogue import Catalogue, Movie
from recommender.evaluation import Ratings

CATALOGUE = Catalogue(
    [
        Movie(1, "A", 1990, "movie", ("Action",)),
        Movie(2, "B", 1990, "movie", ("Action", "War")),
        Movie(3, "C", 1990, "movie", ("Romance",)),
    ]
)


def test_distance_by_vectors_can_be_checked_by_eye() -> None:
    up, right, nowhere = [0, 2], [5, 0], [0, 0]
    assert vector_distance(np.array([up, up], np.float32)) == pytest.approx(0)
    assert vector_distance(np.array([up, right], np.float32)) == pytest.approx(1)
    assert vector_distance(np.array([up, up, right], np.float32)) == pytest.approx(2 / 3)
    assert vector_distance(np.array([up, nowhere], np.float32)) == 1
    assert vector_distance(np.array([up], np.float32)) == 0


def test_distance_by_genres_can_be_checked_by_eye() -> None:
    assert genre_distance(CATALOGUE, np.array([1, 2])) == pytest.approx(1 / 2)
    assert genre_distance(CATALOGUE, np.array([1, 2, 3])) == pytest.approx(5 / 6)


def test_a_list_of_the_unknown_is_more_novel() -> None:
    users = np.repeat(np.arange(7), 2)
    liked = np.tile([1, 2], 7)
    marks = np.where((liked == 2) & (users > 0), 3, 5).astype(np.float32)
    train = Ratings(users, liked, marks, np.arange(14.0))
    assert novelty([np.array([1])], train) == 0
    assert novelty([np.array([2])], train) == 2
    assert novelty([np.array([3, 1])], train) == 1.5
    assert novelty([np.array([], np.int64)], train) == 0
