"""The model as a library: fit on two pandas frames, recommend with the frames' own movie ids."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from recommender.catalogue import Catalogue, Movie
from recommender.errors import BadInput
from recommender.history import LIKED, History
from recommender.model import Model, Parameters, fit_model
from recommender.ranking import Ranker, Wish
from recommender.titles import split_genres, split_title

_USER = ("user_id", "userId", "userid")
_MOVIE = ("movie_id", "movieId", "movieid", "item_id", "itemId")
_KIND = ("kind", "type")


class Recommender:
    """Hyper-parameters are the fields of ``Parameters``; the defaults are meant to be left alone."""

    catalogue: Catalogue
    model: Model

    def __init__(self, **parameters: Any) -> None:
        self.parameters = Parameters(**parameters)

    def fit(self, ratings: pd.DataFrame, movies: pd.DataFrame) -> Self:
        """``ratings``: user, movie, rating, timestamp where known. ``movies``: movie, title, genres, year.

        Columns as MovieLens names them or in our words; of a pair rated twice the later rating counts.
        """
        self._ids = _distinct_ids(movies)
        self._movie_id: Mapping[Hashable, int] = {own: i for i, own in enumerate(self._ids)}
        rows = _latest(ratings)
        codes = rows[_column(rows, _MOVIE)].map(self._movie_id)
        rows, codes = rows[codes.notna()], codes.dropna().astype(np.int64)
        liked = codes[rows["rating"] >= LIKED].value_counts()
        popularity = dict(zip(liked.index.tolist(), liked.tolist(), strict=True))
        self.catalogue = Catalogue(_movies(movies), popularity)
        users = pd.factorize(rows[_column(rows, _USER)])[0]
        marks = rows["rating"].to_numpy(np.float32)
        self.model = fit_model(self.catalogue, users, codes.to_numpy(), marks, self.parameters)
        self._ranker = Ranker(self.catalogue, self.model)
        return self

    def recommend(
        self,
        history: Sequence[Hashable],
        ratings: Sequence[float | None] | None = None,
        times: Sequence[float | None] | int | None = None,
        k: int = 10,
    ) -> list[Any]:
        """The best k movies that are not in the history; ids that the frame did not hold are ignored.

        An integer in the place of ``times`` is ``k``: the benchmark calls recommend(history, ratings, k).
        """
        if isinstance(times, int):
            return self.recommend(history, ratings, None, times)
        past = self.history(history, ratings, times)
        ranked = self._ranker.recommend(past, {}, Wish(k=k, explain=False))
        return [self._ids[pick.movie_id] for pick in ranked.picks]

    def history(
        self,
        history: Sequence[Hashable],
        ratings: Sequence[float | None] | None = None,
        times: Sequence[float | None] | None = None,
    ) -> History:
        """The history in the model's own movie ids."""
        codes = [self._movie_id.get(own, -1) for own in history]
        known = np.array(codes, np.int64) >= 0
        past = [_known(column, known) for column in (codes, ratings, times)]
        return History.of(past[0] if past[0] is not None else [], past[1], past[2])


def fit(ratings: pd.DataFrame, movies: pd.DataFrame) -> Recommender:
    return Recommender().fit(ratings, movies)


def _known(column: Sequence[Any] | None, known: NDArray[np.bool_]) -> ArrayLike | None:
    if column is None:
        return None
    values = np.asarray(column, np.float64)
    if len(values) != len(known):
        raise BadInput(f"{len(values)} ratings or times for {len(known)} movies")
    return values[known]


def _column(frame: pd.DataFrame, names: Sequence[str]) -> str:
    for name in names:
        if name in frame.columns:
            return name
    raise BadInput(f"the frame has no column {names[0]}")


def _distinct_ids(movies: pd.DataFrame) -> list[Any]:
    column = movies[_column(movies, _MOVIE)]
    if column.duplicated().any():
        raise BadInput("a movie id stands in the frame twice")
    return list(column.tolist())


def _latest(ratings: pd.DataFrame) -> pd.DataFrame:
    if "timestamp" in ratings.columns:
        ratings = ratings.sort_values("timestamp", kind="stable")
    return ratings.drop_duplicates([_column(ratings, _USER), _column(ratings, _MOVIE)], keep="last")


def _movies(movies: pd.DataFrame) -> list[Movie]:
    titles = movies["title"] if "title" in movies.columns else [""] * len(movies)
    genres = movies["genres"] if "genres" in movies.columns else [""] * len(movies)
    years = movies["year"] if "year" in movies.columns else [None] * len(movies)
    kinds = next((movies[name] for name in _KIND if name in movies.columns), ["movie"] * len(movies))
    rows = zip(titles, genres, years, kinds, strict=True)
    return [_movie(movie_id, *row) for movie_id, row in enumerate(rows)]


def _movie(movie_id: int, text: Any, genres: Any, year: Any, kind: Any) -> Movie:
    title, parsed = split_title(str(text))
    names = split_genres("|".join(genres) if isinstance(genres, tuple | list) else str(genres))
    return Movie(movie_id, title, parsed if year is None or pd.isna(year) else int(year), str(kind), names)
