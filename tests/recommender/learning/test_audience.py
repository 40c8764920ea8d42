"""The reference distributions of drift."""

import json

import numpy as np
import pytest

from recommender.catalogue import Catalogue
from recommender.evaluation import Ratings
from recommender.history import History
from recommender.learning.audience import DIMENSIONS, STARS, describe, shares, within
from recommender.learning.drift import SOME, divergences
from recommender.model import Model


@pytest.fixture(scope="module")
def histories(ratings: Ratings) -> list[History]:
    rows = [np.flatnonzero(ratings.users == user) for user in np.unique(ratings.users)]
    return [History.of(ratings.movie_ids[r], ratings.ratings[r], ratings.times[r]) for r in rows]


def test_each_distribution_sums_to_one_and_survives_json(
    histories: list[History], catalogue: Catalogue, model: Model
) -> None:
    told = json.loads(json.dumps(describe(histories, catalogue, model)))
    assert (told["users"], told["ratings"]) == (len(histories), sum(map(len, histories)))
    assert len(told["taste"]) == DIMENSIONS
    every = [told["genres"].values(), told["stars"].values(), told["length"]["shares"]]
    every += [dimension["shares"] for dimension in told["taste"]]
    for each in every:
        assert sum(each) == pytest.approx(1)


def test_tenths_of_a_taste_hold_a_tenth_of_the_ratings_each(
    histories: list[History], catalogue: Catalogue, model: Model
) -> None:
    for dimension in describe(histories, catalogue, model)["taste"]:
        assert dimension["edges"] == sorted(set(dimension["edges"]))
        np.testing.assert_allclose(dimension["shares"], np.full(10, 0.1), atol=0.01)


def test_the_same_histories_are_described_by_the_same_bytes(
    histories: list[History], catalogue: Catalogue, model: Model
) -> None:
    once, twice = (json.dumps(describe(iter(histories), catalogue, model)) for _ in range(2))
    assert once == twice


def test_stars_and_genres_are_counted_by_hand(catalogue: Catalogue, model: Model) -> None:
    liked, hated = catalogue.movie_ids[:2]
    told = describe([History.of([liked, hated], [5.0, 0.5])], catalogue, model)
    movie = catalogue.movie(int(liked))
    assert movie is not None
    assert [genre for genre, share in told["genres"].items() if share] == list(movie.genres)
    assert [told["stars"][str(star)] for star in STARS] == [0.5, *[0.0] * 8, 0.5]
    assert told["length"] == {"edges": [], "shares": [1.0]}


def test_nobody_is_described_too(catalogue: Catalogue, model: Model) -> None:
    told = describe([], catalogue, model)
    assert (told["users"], told["ratings"], told["length"]["edges"]) == (0, 0, [])


def test_a_day_of_the_same_users_does_not_differ_though_the_busy_are_met_more_often(
    catalogue: Catalogue, model: Model
) -> None:
    rng = np.random.default_rng(5)
    lengths = np.clip(rng.lognormal(3, 1, 2000), 3, 200).astype(int)
    seen = [rng.choice(catalogue.movie_ids, length, replace=False) for length in lengths]
    told = describe([History.of(movie_ids) for movie_ids in seen], catalogue, model)["length"]
    met, times = np.unique(rng.choice(2000, 3000, p=lengths / lengths.sum()), return_counts=True)
    edges, weights = np.array(told["edges"]), times.astype(np.float64)
    found = shares(within(edges, lengths[met], weights))
    assert divergences(np.array(told["shares"]), found)[0] < SOME / 2
