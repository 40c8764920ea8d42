"""Whom a model was trained on, as a few distributions: what drift compares a day's users with.

A user weighs as much as there are ratings of theirs, because who rates much is met on many days.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import Catalogue
from recommender.folding import Histories, tastes
from recommender.history import LIKED, History
from recommender.model import Model

Floats = NDArray[np.float64]
STARS = tuple(half / 2 for half in range(1, 11))
DIMENSIONS = 8  # of the taste, those that tell most of the audience
_TENTHS = np.arange(1, 10) / 10
_AT_ONCE = 4096  # histories


@dataclass(frozen=True, slots=True)
class People:
    """A row for each user."""

    lengths: Floats
    tastes: NDArray[np.float32]  # users by dimensions, eight at most
    weights: Floats


def describe(histories: Iterable[History], catalogue: Catalogue, model: Model) -> dict[str, Any]:
    """The shares of each distribution sum to one. Some 50,000 users tell as much as all of them."""
    people = [nobody(model)]
    genres, stars = np.zeros(len(catalogue.genres)), np.zeros(len(STARS))
    for some in _batches(histories):
        people.append(people_of(some, some.lengths.astype(np.float64), model))
        genres += liked_genres(catalogue, some.movie_ids, some.ratings)
        stars += star_counts(some.ratings)
    everybody = joined(people)
    return {
        "users": len(everybody.weights),
        "ratings": int(stars.sum()),
        "genres": named(catalogue.genres, shares(genres)),
        "stars": named(STARS, shares(stars)),
        "length": _described(everybody.lengths, everybody.weights),
        "taste": [_described(column, everybody.weights) for column in everybody.tastes.T],
    }


def people_of(histories: Histories, weights: Floats, model: Model) -> People:
    vectors = tastes(model, histories).vectors[:, :DIMENSIONS]
    return People(histories.lengths.astype(np.float64), vectors, weights)


def liked_genres(catalogue: Catalogue, movie_ids: NDArray[np.int64], ratings: NDArray[np.float32]) -> Floats:
    """How often each genre of the catalogue was liked."""
    rows = catalogue.rows(movie_ids[ratings >= LIKED])
    likes = np.bincount(rows[rows >= 0], minlength=len(catalogue))
    return np.asarray(likes @ catalogue.genre_matrix, np.float64)


def star_counts(ratings: NDArray[np.float32]) -> Floats:
    """Of half a star, one, and so on to five; what lies between counts for the nearest."""
    halves = np.rint(ratings * 2).astype(np.int64) - 1
    return np.bincount(halves, minlength=len(STARS)).astype(np.float64)


def shares(counts: Floats) -> Floats:
    return np.asarray(counts / max(counts.sum(), 1.0))


def within(edges: Floats, values: NDArray[Any], weights: Floats) -> Floats:
    """The weight in each bin; an edge belongs to the bin below it."""
    places = np.searchsorted(edges, values, side="left")
    return np.bincount(places, weights, len(edges) + 1).astype(np.float64)


def _batches(histories: Iterable[History]) -> Iterator[Histories]:
    rest = iter(histories)
    while some := list(islice(rest, _AT_ONCE)):
        yield Histories.of(some)


def nobody(model: Model) -> People:
    return people_of(Histories.of([]), np.zeros(0), model)


def joined(people: list[People]) -> People:
    return People(
        np.concatenate([some.lengths for some in people]),
        np.concatenate([some.tastes for some in people]),
        np.concatenate([some.weights for some in people]),
    )


def _described(values: NDArray[Any], weights: Floats) -> dict[str, list[float]]:
    """Tenths of the whole weight, as far as equal values can be told apart."""
    if not len(values):
        return {"edges": [], "shares": [0.0]}
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, _TENTHS * reached[-1])
    edges = np.unique(values[order][places])
    edges = edges[edges < values.max()].astype(np.float64)
    return {"edges": edges.tolist(), "shares": shares(within(edges, values, weights)).tolist()}


def named(names: Iterable[object], values: Floats) -> Mapping[str, float]:
    return {str(name): share for name, share in zip(names, values.tolist(), strict=True)}
