"""The model as a library: fit on two pandas frames, recommend with the frames' own movie ids."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from recommender.catalogue import Catalogue, Movie
from recommender.errors import BadInput
from recommender.evaluation import Ratings
from recommender.history import LIKED, History
from recommender.model import Model, fit_model, parameters_of
from recommender.ranking import Ranker, Wish
from recommender.titles import split_genres, split_title
from recommender.tuning.tune import tune

_USER = ("user_id", "userId", "userid")
_MOVIE = ("movie_id", "movieId", "movieid", "item_id", "itemId")
_KIND = ("kind", "type")


class Recommender:
    """Hyper-parameters are the fields of ``Parameters``; the defaults are meant to be left alone."""

    catalogue: Catalogue
    model: Model

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters_of({"parameters": parameters})

    def fit(self, ratings: pd.DataFrame, movies: pd.DataFrame) -> Self:
        """``ratings``: user, movie, rating, timestamp where known. ``movies``: movie, title, genres, year.

        Columns as MovieLens names them or in our words; of a pair rated twice the later rating counts.
        """
        made = copy(self)
        return self._as(made._fit(made._read(ratings, movies), {}))

    def tune(
        self,
        ratings: pd.DataFrame,
        movies: pd.DataFrame,
        history: Literal["all", "likes"] = "all",
        progress: Callable[[str, int, int], None] = lambda *_: None,
    ) -> Self:
        """Chooses parameters on parts of the ratings that are held back, then fits them to all.

        Those of the constructor stay where nothing is better beyond noise. ``history`` is what histories
        will hold. The model's card says what was gained, as ``tuned``.
        """
        made, only_likes = copy(self), history == "likes"
        read = made._read(ratings, movies)
        found = tune(made.catalogue, read, {}, only_likes=only_likes, base=self.parameters, progress=progress)
        made.parameters = found.choice.parameters
        return self._as(made._fit(read, {"tuned": found.choice.about}))

    def _as(self, made: Self) -> Self:
        """All of it at once: after data that are refused, lists are what they were."""
        self.__dict__.update(vars(made))
        return self

    def _read(self, ratings: pd.DataFrame, movies: pd.DataFrame) -> Ratings:
        self._ids = _distinct_ids(movies)
        self._movie_id: Mapping[Hashable, int] = {own: i for i, own in enumerate(self._ids)}
        rows = _latest(ratings)
        codes = rows[_column(rows, _MOVIE)].map(self._movie_id)
        rows, codes = rows[codes.notna()], codes.dropna().astype(np.int64)
        liked = codes[rows["rating"] >= LIKED].value_counts()
        popularity = dict(zip(liked.index.tolist(), liked.tolist(), strict=True))
        self.catalogue = Catalogue(_movies(movies), popularity)
        users = pd.factorize(rows[_column(rows, _USER)])[0].astype(np.int64)
        return Ratings(users, np.asarray(codes, np.int64), rows["rating"].to_numpy(np.float32), _times(rows))

    def _fit(self, read: Ratings, about: Mapping[str, Any]) -> Self:
        columns = read.users, read.movie_ids, read.ratings
        model = fit_model(self.catalogue, *columns, self.parameters, times=read.times)
        self.model = model.telling(**about) if about else model
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


def fit(ratings: pd.DataFrame, movies: pd.DataFrame, tune: bool = False) -> Recommender:
    return Recommender().tune(ratings, movies) if tune else Recommender().fit(ratings, movies)


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


def _times(ratings: pd.DataFrame) -> NDArray[np.float64]:
    """In the order of time, NaN where not known: seconds, or dates of any kind that pandas reads."""
    if "timestamp" not in ratings.columns:
        return np.full(len(ratings), np.nan)
    written = ratings["timestamp"]
    if not (is_numeric_dtype(written) or is_datetime64_any_dtype(written)):
        numbers = pd.to_numeric(written, errors="coerce")
        written = numbers if numbers.notna().any() else written
    seconds = written if is_numeric_dtype(written) else _seconds(written)
    return np.asarray(seconds.to_numpy(np.float64, na_value=np.nan), np.float64)


def _seconds(dates: "pd.Series[Any]") -> "pd.Series[float]":
    try:
        moments = pd.to_datetime(dates, utc=True)
    except (ValueError, TypeError) as error:
        raise BadInput(f"the column timestamp holds neither seconds nor dates: {error}") from None
    return (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(1, "s")


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
