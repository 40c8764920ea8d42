import numpy as np
import pytest

from recommender.bench.linear_peers import Ours
from recommender.bench.lists import swap
from recommender.bench.situations import Little, Situation, cold_titles, low_ratings
from recommender.catalogue import Catalogue
from recommender.evaluation import Case, Ratings, Split, strong_split
from recommender.history import History
from recommender.model import DEFAULTS


@pytest.fixture(scope="module")
def split(ratings: Ratings) -> Split:
    return strong_split(ratings, 0, held_out=60)


@pytest.fixture(scope="module")
def ours(split: Split, catalogue: Catalogue) -> Ours:
    ours = Ours()
    ours.fit(split.train, catalogue)
    return ours


@pytest.fixture(scope="module")
def little(split: Split, ours: Ours) -> Little:
    return Little.of(split, ours)


def test_a_situation_scores_each_way_on_the_same_cases() -> None:
    cases = [Case(4, History.of([1]), np.array([2])), Case(5, History.of([1]), np.array([3]))]
    lists = {"right": [np.array([2]), np.array([3])], "swapped": [np.array([3]), np.array([2])]}
    assert Situation.of(cases, lists, 3) == Situation([4, 5], {"right": [1, 1], "swapped": [0, 0]})


def test_only_users_with_likes_enough_are_asked_after_so_many(little: Little) -> None:
    four = Case(1, History.of([10, 13, 16, 19, 22], [5, 5, 4, 4, 1]), np.array([25]))
    found = little.situations([four], seed=0)
    asked = {name: len(one.users) for name, one in found.items()}
    assert asked["after 3 likes"] == asked["only low ratings"] == 1
    assert asked["after 5 likes"] == asked["500 ratings and more"] == 0


def test_what_is_barred_is_all_that_two_ways_differ_in(ours: Ours, split: Split) -> None:
    """Where nothing was rated low there is nothing to compare."""
    fans = [Case(1, History.of([10, 13], [5, 5]), np.array([16]))]
    assert low_ratings(ours, fans).users == []
    found = low_ratings(ours, split.cases).ndcg
    assert np.mean(found["low ratings only barred"]) >= np.mean(found["low ratings hidden"])


def test_cold_titles_are_found_by_what_they_are(split: Split, catalogue: Catalogue) -> None:
    found = cold_titles(split, catalogue, DEFAULTS, seed=0).ndcg
    assert set(found) == {"marquee", "genres and period", "chance"}
    assert np.mean(found["marquee"]) > 2 * np.mean(found["chance"])
    again = cold_titles(split, catalogue, DEFAULTS, seed=0).ndcg
    assert again == found


def test_a_retrain_is_measured_on_as_many_users_of_either_kind(
    ratings: Ratings, split: Split, ours: Ours
) -> None:
    found = swap(ratings, split, ours, seed=0)
    asked = {who: set(group["users"]) for who, group in found.items()}
    assert asked["new"] == {case.user for case in split.cases}
    assert len(asked["trained"]) == 60 and asked["trained"] < set(split.train.users.tolist())
    assert all(len(group["kept"]) == 60 and min(group["kept"]) >= 0 for group in found.values())
    assert max(found["trained"]["kept"]) <= 1
