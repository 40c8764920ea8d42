"""Diverse lists: from the best titles, 0, to the most different of the good ones, 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue import Catalogue, Movie
from recommender.diversity import pool_size, scaled, varied
from recommender.evaluation import Ratings
from recommender.history import History
from recommender.model import Model
from recommender.ranking import Ranked, Ranker, Wish
from tests.recommender.test_ranking import few, histories

STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
diversities = st.sampled_from(STEPS[1:])


@pytest.fixture(scope="module")
def viewers(ratings: Ratings) -> list[History]:
    of = [ratings.take(np.flatnonzero(ratings.users == user)) for user in range(60)]
    return [History.of(own.movie_ids, own.ratings) for own in of]


def shown(ranked: Ranked) -> list[int]:
    return [pick.movie_id for pick in ranked.picks]


def distance(model: Model, ids: list[int]) -> float:
    """Mean over the pairs of a list of one minus the cosine."""
    vectors = model.right[model.rows(ids)]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return float((1 - units @ units.T)[np.triu_indices(len(ids), 1)].mean())


@few
@given(histories, st.integers(1, 30))
def test_a_trace_of_diversity_leaves_the_best_titles(ranker: Ranker, history: History, k: int) -> None:
    plain, traced = (ranker.recommend(history, {}, Wish(k=k, diversity=d)).picks for d in (0.0, 1e-18))
    assert [pick.score for pick in traced] == pytest.approx([pick.score for pick in plain], abs=1e-6)


@few
@given(histories, diversities)
def test_the_first_title_stays_the_best(ranker: Ranker, history: History, diversity: float) -> None:
    plain, diverse = (shown(ranker.recommend(history, {}, Wish(diversity=d))) for d in (0.0, diversity))
    assert diverse[0] == plain[0]


@few
@given(histories, diversities, st.integers(1, 15))
def test_the_most_diverse_list_is_still_of_good_titles(
    ranker: Ranker, history: History, diversity: float, k: int
) -> None:
    pool = shown(ranker.recommend(history, {}, Wish(k=pool_size(k))))
    assert set(shown(ranker.recommend(history, {}, Wish(k=k, diversity=diversity)))) <= set(pool)


def test_lists_grow_more_different_and_less_apt_step_by_step(
    ranker: Ranker, model: Model, viewers: list[History]
) -> None:
    lists = [[ranker.recommend(v, {}, Wish(diversity=d)) for v in viewers] for d in STEPS]
    distances = [np.mean([distance(model, shown(ranked)) for ranked in some]) for some in lists]
    scores = [np.mean([pick.score for ranked in some for pick in ranked.picks]) for some in lists]
    assert distances == sorted(distances) and distances[-1] > 1.2 * distances[0]
    assert scores == sorted(scores, reverse=True)


@few
@given(histories, diversities)
def test_the_same_asked_twice_is_the_same_list(
    catalogue: Catalogue, model: Model, history: History, diversity: float
) -> None:
    first, second = (Ranker(catalogue, model).recommend(history, {}, Wish(diversity=diversity)) for _ in "ab")
    assert first == second


@few
@given(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=40), diversities, st.sampled_from([0.25, 64.0])
)
def test_the_range_of_the_scores_does_not_matter(marks: list[int], diversity: float, factor: float) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(marks), 4)).astype(np.float32)
    scores = np.array(sorted(marks, reverse=True), np.float32)
    plain, other = (scaled(some) for some in (scores, scores * np.float32(factor) - 8))
    k = len(marks)
    assert varied(lambda _: plain, vectors, k, diversity) == varied(lambda _: other, vectors, k, diversity)
    assert 0 <= plain.min() <= plain.max() == 1


def test_without_a_model_movies_differ_by_their_genres() -> None:
    shelf = [Movie(i, f"Film {i}", 2000, "movie", ("Drama",) if i < 5 else ("Comedy",)) for i in range(1, 9)]
    ranker = Ranker(Catalogue(shelf, {i: 20 - i for i in range(1, 9)}), None)
    assert shown(ranker.recommend(History.of([]), {}, Wish(k=3))) == [1, 2, 3]
    diverse = ranker.recommend(History.of([]), {}, Wish(k=3, diversity=0.8))
    assert (diverse.source, shown(diverse)) == ("popular", [1, 5, 2])
    assert all(pick.score == pick.prior > 0 for pick in diverse.picks)
