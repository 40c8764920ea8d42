"""A trial is measured with the fit and the lists that serve."""

from dataclasses import replace

import numpy as np
import pytest

from recommender.catalogue import Catalogue, Movie
from recommender.errors import BadInput
from recommender.evaluation import Ratings, lists_of, scored
from recommender.model import DEFAULTS, Model, Parameters, fit_model
from recommender.ranking import Ranker
from recommender.tuning import counts
from recommender.tuning.by_users import learned_by_users
from recommender.tuning.fits import Fits
from recommender.tuning.trials import Trial, trials

OTHER = Parameters(values=(0, 0, 0.4, 1, 1.3), ridge=10, feature_weight=4, recency_span=3, rank=20)


@pytest.fixture(scope="module")
def few(movies: list[Movie], ratings: Ratings) -> tuple[Catalogue, tuple[Trial, ...]]:
    """More movies than twice as many users: each movie comes as three, of which a user has rated one."""
    thrice = [replace(movie, movie_id=3 * movie.movie_id + i) for movie in movies for i in range(3)]
    own = replace(ratings, movie_ids=3 * ratings.movie_ids + (ratings.users + ratings.movie_ids) % 3)
    catalogue = Catalogue(thrice)
    return catalogue, trials(catalogue, own.take(np.flatnonzero(own.users < 260)))


def _served(catalogue: Catalogue, trial: Trial, parameters: Parameters) -> Model:
    rated = trial.users, catalogue.movie_ids[trial.rows], trial.ratings
    return fit_model(catalogue, *rated, parameters)


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("parameters", [DEFAULTS, OTHER])
def test_by_users_the_fit_is_the_served_one(
    few: tuple[Catalogue, tuple[Trial, ...]], place: int, parameters: Parameters
) -> None:
    catalogue, trial = few[0], few[1][place]
    assert counts.counted(catalogue, trial, parameters).by_users
    served, fits = _served(catalogue, trial, parameters), Fits(catalogue, trial, 96)
    found = fits.model(parameters, parameters)
    solved = counts.counted(catalogue, trial, parameters).rows
    expected = served.left[solved] @ served.right.T
    assert np.abs(found.left[solved] @ found.right.T - expected).max() < 1e-4 * np.abs(expected).max()
    np.testing.assert_array_equal(found.prior, served.prior)


@pytest.mark.parametrize("parameters", [DEFAULTS, OTHER])
def test_the_lists_are_those_that_would_be_served(
    catalogue: Catalogue, ratings: Ratings, parameters: Parameters
) -> None:
    for trial in trials(catalogue, ratings)[::3]:
        assert not counts.counted(catalogue, trial, parameters).by_users
        ranker = Ranker(catalogue, _served(catalogue, trial, parameters))
        expected = scored(lists_of(ranker, trial.cases), trial.cases, len(catalogue)).ndcg
        found = np.array(Fits(catalogue, trial, 48).ndcg(parameters, parameters))
        assert abs(found - expected).mean() < 0.005 < expected.mean()
        assert np.mean(abs(found - expected) > 1e-5) < 0.05


def test_a_lower_rank_takes_no_other_fit(
    catalogue: Catalogue, ratings: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = Fits(catalogue, trials(catalogue, ratings)[0], 48)
    whole = fits.ndcg(DEFAULTS, DEFAULTS)
    monkeypatch.setattr("recommender.tuning.fits.learned", None)
    for change in ({"rank": 3}, {"taste_values": (0, 0, 0, 1, 1)}, {"prior": 3.0}):
        assert fits.ndcg(replace(DEFAULTS, **change), DEFAULTS) != whole
    with pytest.raises(TypeError):
        fits.ndcg(replace(DEFAULTS, ridge=1.0), DEFAULTS)


def test_what_is_kept_is_not_fitted_again(
    catalogue: Catalogue, ratings: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = Fits(catalogue, trials(catalogue, ratings)[0], 48)
    before = fits.ndcg(DEFAULTS, DEFAULTS)
    for ridge in (1.0, 2.0, 3.0):
        fits.ndcg(replace(DEFAULTS, ridge=ridge), DEFAULTS)
    monkeypatch.setattr("recommender.tuning.fits.learned", None)
    assert fits.ndcg(DEFAULTS, DEFAULTS) == before
    with pytest.raises(TypeError):
        fits.ndcg(replace(DEFAULTS, ridge=2.0), DEFAULTS)


def test_a_table_without_two_movies_that_go_together_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing to learn"):
        learned_by_users(np.eye(3, 9), np.zeros((9, 1), np.float32), 10.0, 1.0, 4)
