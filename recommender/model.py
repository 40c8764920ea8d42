"""The model: item factors, what a history means in them, and the folder they are kept in."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recommender import artifact
from recommender.catalogue import Catalogue, rows_in
from recommender.errors import BadArtifact, BadInput
from recommender.factors import completed, even_features, features, learned
from recommender.history import History
from recommender.parameters import checked
from recommender.scores import times
from recommender.statistics import Statistics, newest, rating_values, summed

_MIDDLE = 2.75  # of the scale of preferences: neither for nor against
_RANK = 2.9  # times the square root of the movies that are solved for: more fits noise, less is too coarse
_RANK_STEP, _LOWEST_RANK, _HIGHEST_RANK = 16, 32, 256
_EVEN = 0.01  # a direction with this share of the first one's variance is believed as much after any history
_LEAST = 1e-30  # stands for zero
_BEFORE = {"doubt": 0.0}  # what a card means that does not name it
_LATER = ("doubt", "doubt_half")  # apart in a card: readers from before them refuse what they do not know


@dataclass(frozen=True, slots=True)
class Parameters:
    values: tuple[float, ...] = (0.0, 0.2, 0.6, 1.0, 1.2)  # what one to five stars count for in training
    taste_values: tuple[float, ...] = (0.0, 0.1, 0.4, 1.0, 1.5)  # and in the history of a taste
    ridge: float = 27.0  # times the square root of the ratings per movie
    feature_weight: float = 2.0
    rank: int | None = None  # None = by the number of movies that are solved for
    prior: float = 0.1  # weight of popularity for an empty history
    prior_half: float = 7.0  # ratings after which it has halved
    doubt: float = 0.2  # of an empty history, as a share of the first direction's variance
    doubt_half: float = 1.5  # ratings after which it has halved
    preference: float = 2.0  # liked movies that a step on the scale of preferences is worth
    recency_span: float = 5.0
    recency_floor: float = 0.15
    dense_limit: int = 20_000  # movies that are solved for; the rest get their factors from features


DEFAULTS = Parameters()


@dataclass(frozen=True, slots=True)
class Taste:
    """vector = trust · contributions of the rows + preferences, in the space of one model."""

    vector: NDArray[np.float32]
    rows: NDArray[np.int64]  # of the model, one per movie of the history that it knows
    values: NDArray[np.float32]  # what each of them counts for
    trust: NDArray[np.float32]  # how far each direction is believed, with so many ratings
    preferences: NDArray[np.float32]
    has_preferences: bool
    prior_weight: float


class Model:
    """Immutable. Row i of every table is the movie ``movie_ids[i]``; ids ascend."""

    def __init__(self, tables: Mapping[str, NDArray[Any]], card: Mapping[str, Any], version: str) -> None:
        self.version = version
        self.card = dict(card)
        self.movie_ids: NDArray[np.int64] = tables["movie_ids"]
        self.left: NDArray[np.float32] = tables["left"]  # movies by rank: what rating a movie says of a taste
        self.right: NDArray[np.float32] = tables["right"]  # movies by rank: what a taste says of a movie
        self.prior: NDArray[np.float32] = tables["prior"]  # likes, as a share of the most liked movie's
        self.genre_factors: NDArray[np.float32] = tables["genre_factors"]  # genres by rank
        self.genres: tuple[str, ...] = tuple(card["genres"])
        written = {**_BEFORE, **card["parameters"], **card.get("fold", {})}
        self.parameters = parameters_of({"parameters": written})
        self._variance = _variance(self.right)

    def rows(self, movie_ids: ArrayLike) -> NDArray[np.int64]:
        """The row of each id, -1 where the model does not know the movie."""
        return rows_in(self.movie_ids, np.asarray(movie_ids, np.int64))

    def taste(self, history: History, preferences: Mapping[str, float] = MappingProxyType({})) -> Taste:
        """Movies and genres that the model does not know say nothing."""
        rows = self.rows(history.movie_ids)
        known = rows >= 0
        values = rating_values(history.ratings, self.parameters.taste_values) * self._recency(history.times)
        rows, values = rows[known], values[known]
        wishes = {genre: mark for genre, mark in preferences.items() if genre in self.genres}
        preferred = self._preferred(wishes)
        trust, weight = self.trust(np.array(len(rows))), float(self.prior_weight(np.array(len(rows))))
        vector = np.asarray(trust * (values @ self.left[rows]) + preferred, np.float32)
        return Taste(vector, rows, values, trust, preferred, bool(wishes), weight)

    def scores(self, taste: Taste) -> NDArray[np.float32]:
        """What the taste says of every movie, the popularity prior included."""
        scores = times(self.right, taste.vector)
        scores += np.float32(taste.prior_weight) * self.prior
        return scores

    def _recency(self, times: NDArray[np.float64]) -> NDArray[np.float32]:
        """By how many of the user's ratings are newer; the untimed tie just behind the last timed."""
        timed = times[~np.isnan(times)]
        if not len(timed):
            return np.ones(len(times), np.float32)
        newer = len(timed) - np.searchsorted(timed, times, side="right")
        places = np.where(np.isnan(times), len(timed), newer)
        floor, span = self.parameters.recency_floor, self.parameters.recency_span
        return (floor + (1 - floor) * np.exp(-places / span)).astype(np.float32)

    def _preferred(self, wishes: Mapping[str, float]) -> NDArray[np.float32]:
        rows = [self.genres.index(genre) for genre in wishes]
        marks = np.array([mark - _MIDDLE for mark in wishes.values()], np.float32)
        return np.asarray(self.parameters.preference * (marks @ self.genre_factors[rows]), np.float32)

    def prior_weight(self, ratings: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.parameters.prior * 0.5 ** (ratings / self.parameters.prior_half))

    def trust(self, ratings: NDArray[np.int64]) -> NDArray[np.float32]:
        """By direction, on a new last axis: a few ratings tell the ways in which people differ most.

        A ridge that goes as ratings come: that of the fit is right for histories as long as those it saw.
        """
        doubt = (self.parameters.doubt * 0.5 ** (ratings / self.parameters.doubt_half))[..., None]
        return np.asarray(self._variance * (1 + doubt / _EVEN) / (self._variance + doubt), np.float32)

    @property
    def _tables(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in artifact.TYPES}

    def telling(self, **more: Any) -> "Model":
        """The same tables with more in their card, which is another version."""
        return Model(self._tables, *artifact.sealed(self._tables, {**self.card, **more}))

    def save(self, folder: Path) -> str:
        artifact.write(folder, self._tables, self.card)
        return self.version

    @classmethod
    def load(cls, folder: Path, version: str | None = None) -> Self:
        """Memory-mapped. Refuses a folder that is damaged, or is not the version asked for."""
        tables, card, found = artifact.read(folder, version)
        try:
            return cls(tables, card, found)
        except (KeyError, TypeError, BadInput) as error:
            raise BadArtifact(f"{folder.name} was made by other code: {error}") from None


def fit_model(
    catalogue: Catalogue,
    users: ArrayLike,
    movie_ids: ArrayLike,
    ratings: ArrayLike,
    parameters: Parameters = DEFAULTS,
    data: Mapping[str, Any] = MappingProxyType({}),
    progress: Callable[[str], None] = lambda _: None,
    times: ArrayLike | None = None,
) -> Model:
    """One entry per rating; users are codes of any kind; movies outside the catalogue are left out.

    ``data`` describes where the ratings come from and goes into the card as it stands. ``times`` tell which
    ratings of a user who has very many are the newest; without them those of the highest ids are.
    """
    ids, p = np.asarray(movie_ids, np.int64), parameters
    known = np.flatnonzero(catalogue.rows(ids) >= 0)
    moments = None if times is None else np.asarray(times, np.float64)[known]
    known = known[newest(np.asarray(users)[known], ids[known], moments)]
    progress("summing the ratings")
    columns = np.asarray(users)[known], ids[known], np.asarray(ratings)[known]
    sums = summed(*columns, p.values, p.dense_limit)
    return fit_sums(catalogue, sums, parameters, {"data": dict(data)}, progress)


def fit_sums(
    catalogue: Catalogue,
    sums: Statistics,
    parameters: Parameters,
    about: Mapping[str, Any],
    progress: Callable[[str], None] = lambda _: None,
) -> Model:
    """``about`` goes into the card as it stands."""
    rows, p = catalogue.rows(sums.solved), parameters
    progress(f"solving for {len(rows):,} movies")
    ridge = p.ridge * sqrt(sums.counts[rows_in(sums.movie_ids, sums.solved)].mean())
    described = catalogue.genre_matrix, catalogue.years
    rank = rank_for(len(rows)) if p.rank is None else p.rank
    found = learned(sums.gram, features(*described)[rows], ridge, p.feature_weight, rank)
    factors = completed(found, rows, even_features(*described))
    prior = _prior(catalogue, sums)
    tables: dict[str, NDArray[Any]] = {
        "movie_ids": catalogue.movie_ids,
        "left": factors.left,
        "right": factors.right,
        "prior": prior,
        "genre_factors": _genre_factors(catalogue, factors.left, prior),
    }
    written = asdict(parameters)
    card = {
        "fold": {name: written.pop(name) for name in _LATER},
        "parameters": written,
        "genres": list(catalogue.genres),
        "rank": factors.left.shape[1],
        "movies": len(catalogue),
        "rated_movies": len(sums.movie_ids),
        "solved_movies": len(rows),
        "users": sums.users,
        "ratings": int(sums.counts.sum()),
    }
    return Model(tables, *artifact.sealed(tables, {**card, **about}))


def _variance(right: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each direction among what users are predicted, as a share of the first one's; above zero."""
    found = np.einsum("ij,ij->j", right, right, dtype=np.float64)
    return np.asarray(np.maximum(found, _LEAST) / max(_LEAST, found.max(initial=0)))


def rank_for(movies: int) -> int:
    steps = round(_RANK * sqrt(movies) / _RANK_STEP)
    return min(max(steps * _RANK_STEP, _LOWEST_RANK), _HIGHEST_RANK)


def _prior(catalogue: Catalogue, sums: Statistics) -> NDArray[np.float32]:
    prior = np.zeros(len(catalogue), np.float32)
    prior[catalogue.rows(sums.movie_ids)] = sums.likes / max(1, sums.likes.max())
    return prior


def _genre_factors(
    catalogue: Catalogue, left: NDArray[np.float32], prior: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How the liked movies of a genre differ from liked movies at large; zero where none is liked."""
    likes = catalogue.genre_matrix.T * prior
    total = likes.sum(axis=1, keepdims=True)
    inside = likes @ left / np.maximum(total, np.finfo(np.float32).tiny)
    average = prior @ left / max(prior.sum(), np.finfo(np.float32).tiny)
    return np.where(total > 0, inside - average, 0).astype(np.float32)


def parameters_of(card: Mapping[str, Any]) -> Parameters:
    return Parameters(**checked(card["parameters"]))
