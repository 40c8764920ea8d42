"""A small seeded world: each viewer likes two genres, and rates accordingly."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from recommender.catalogue import Catalogue, Movie
from recommender.evaluation import Ratings
from recommender.model import Model, fit_model
from recommender.ranking import Ranker

GENRES = ("Action", "Children", "Comedy", "Documentary", "Drama", "Horror", "Romance", "Western")
USERS, MOVIES, UNRATED = 400, 240, 8


def _viewer(
    rng: np.random.Generator, user: int, genre: NDArray[np.int64], fame: NDArray[np.float64]
) -> NDArray[Any]:
    """Rows of user, movie, rating, time."""
    liked = np.isin(genre, rng.choice(len(GENRES), 2, replace=False))
    chances = fame * np.where(liked, 4.0, 1.0)
    seen = rng.choice(len(genre), int(rng.integers(12, 40)), replace=False, p=chances / chances.sum())
    marks = np.where(liked[seen], rng.integers(7, 11, len(seen)), rng.integers(1, 7, len(seen))) / 2
    return np.column_stack(
        [np.full(len(seen), user), 10 + 3 * seen, marks, 1e9 + user + np.arange(len(seen))]
    )


def _movie(i: int, genre: int, year: int) -> Movie:
    kind = "show" if i % 5 == 0 else "movie"
    return Movie(10 + 3 * i, f"Film {i}", year, kind, (GENRES[genre],))


@pytest.fixture(scope="session")
def world() -> tuple[list[Movie], Ratings]:
    """The last 8 movies are rated by nobody."""
    rng = np.random.default_rng(0)
    genre, years = rng.integers(0, len(GENRES), MOVIES), rng.integers(1950, 2024, MOVIES)
    known = MOVIES - UNRATED
    fame = rng.permutation(1 / np.arange(1, known + 1) ** 0.7)
    table = np.concatenate([_viewer(rng, user, genre[:known], fame) for user in range(USERS)])
    ratings = Ratings(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        table[:, 2].astype(np.float32),
        table[:, 3],
    )
    return [_movie(i, int(genre[i]), int(years[i])) for i in range(MOVIES)], ratings


@pytest.fixture(scope="session")
def movies(world: tuple[list[Movie], Ratings]) -> list[Movie]:
    return world[0]


@pytest.fixture(scope="session")
def ratings(world: tuple[list[Movie], Ratings]) -> Ratings:
    return world[1]


@pytest.fixture(scope="session")
def catalogue(movies: list[Movie], ratings: Ratings) -> Catalogue:
    ids, likes = np.unique(ratings.movie_ids[ratings.ratings >= 4], return_counts=True)
    return Catalogue(movies, dict(zip(ids.tolist(), likes.tolist(), strict=True)))


@pytest.fixture(scope="session")
def model(catalogue: Catalogue, ratings: Ratings) -> Model:
    return fit_model(catalogue, ratings.users, ratings.movie_ids, ratings.ratings)


@pytest.fixture(scope="session")
def ranker(catalogue: Catalogue, model: Model) -> Ranker:
    return Ranker(catalogue, model)


@pytest.fixture(scope="session")
def frames(movies: list[Movie], ratings: Ratings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratings and movies as MovieLens writes them."""
    rows = [(m.movie_id, f"{m.title} ({m.year})", "|".join(m.genres)) for m in movies]
    marks = {"userId": ratings.users, "movieId": ratings.movie_ids, "rating": ratings.ratings}
    return (
        pd.DataFrame(marks | {"timestamp": ratings.times}),
        pd.DataFrame(rows, columns=["movieId", "title", "genres"]),
    )
