import math

import numpy as np
import pytest

from recommender.catalogue import Catalogue
from recommender.errors import BadInput
from recommender.evaluation import (
    Case,
    Ratings,
    Split,
    lists_for,
    lists_of,
    paired,
    scored,
    strong_split,
    temporal_split,
)
from recommender.history import History
from recommender.model import fit_model
from recommender.ranking import Ranker


def _case(targets: list[int]) -> Case:
    return Case(1, History.of([99]), np.array(targets))


def _ranker(split: Split, catalogue: Catalogue, model: bool = True) -> Ranker:
    train = split.train
    likes = np.unique(train.movie_ids[train.ratings >= 4], return_counts=True)
    popular = Catalogue(
        [m for i in catalogue.movie_ids if (m := catalogue.movie(int(i)))],
        dict(zip(*(column.tolist() for column in likes), strict=True)),
    )
    if not model:
        return Ranker(popular, None)
    return Ranker(popular, fit_model(popular, train.users, train.movie_ids, train.ratings))


def test_metrics_that_can_be_checked_by_eye() -> None:
    cases = [_case([1]), _case([2, 3]), _case([7, 8, 9])]
    found = scored(lists_for(lambda _history, _k: [1, 2, 3], cases, 3), cases, catalogue_size=12, k=3)
    assert found.recall.tolist() == [1, 1, 0]
    third = 1 / math.log2(4)
    second = 1 / math.log2(3)
    assert found.ndcg.tolist() == pytest.approx([1, (second + third) / (1 + second), 0])
    assert found.coverage == 0.25


def test_recall_is_of_what_fits_the_list() -> None:
    cases = [_case(list(range(20)))]
    found = scored(lists_for(lambda _history, k: list(range(k)), cases), cases, catalogue_size=50, k=10)
    assert found.recall.tolist() == found.ndcg.tolist() == [1.0]


def test_a_short_or_empty_list_earns_what_it_holds() -> None:
    found = scored([np.empty(0, np.int64)], [_case([1])], catalogue_size=5)
    assert found.recall.tolist() == found.ndcg.tolist() == [0.0] and found.coverage == 0


def test_a_paired_difference_has_its_standard_error() -> None:
    mean, error = paired(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 1.0]))
    assert mean == pytest.approx(4 / 3)
    assert error == pytest.approx(1 / 3)


def test_cases_of_one_user_count_as_less_than_cases_of_two() -> None:
    ours, theirs = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 1.0])
    assert paired(ours, theirs, np.array([7, 8, 9])) == pytest.approx(paired(ours, theirs))
    twice = np.repeat(ours, 2), np.repeat(theirs, 2), np.repeat([7, 8, 9], 2)
    assert paired(*twice) == pytest.approx(paired(ours, theirs))
    assert paired(*twice[:2])[1] < paired(*twice)[1]


def test_held_out_users_are_not_in_training_and_their_parts_are_whole(ratings: Ratings) -> None:
    split = strong_split(ratings, seed=3, held_out=50)
    assert len(split.cases) == 50
    assert not {case.user for case in split.cases} & set(split.train.users.tolist())
    for case in split.cases:
        own = ratings.users == case.user
        likes = set(ratings.movie_ids[own & (ratings.ratings >= 4)].tolist())
        history, targets = set(case.history.movie_ids.tolist()), set(case.targets.tolist())
        assert history | targets == set(ratings.movie_ids[own].tolist()) and not history & targets
        assert targets <= likes and len(targets) == max(1, round(0.2 * len(likes)))
        assert np.isnan(case.history.times).all()


def test_a_seed_draws_the_same_users_again_and_another_draws_others(ratings: Ratings) -> None:
    first, again, other = (strong_split(ratings, seed=s, held_out=50) for s in (1, 1, 2))
    assert [c.targets.tolist() for c in first.cases] == [c.targets.tolist() for c in again.cases]
    assert [c.user for c in first.cases] != [c.user for c in other.cases]


def test_in_time_order_nothing_known_is_later_than_a_target(ratings: Ratings) -> None:
    split = temporal_split(ratings)
    times = dict(
        zip(zip(ratings.users.tolist(), ratings.movie_ids.tolist(), strict=True), ratings.times, strict=True)
    )
    for case in split.cases:
        first = min(times[case.user, target] for target in case.targets.tolist())
        assert case.history.times.max() < first
        trained = split.train.times[split.train.users == case.user]
        assert len(trained) == len(case.history) and trained.max() < first


def test_users_with_few_likes_are_dropped() -> None:
    users = np.repeat([1, 2], [5, 4])
    ratings = Ratings(users, np.arange(9), np.full(9, 5, np.float32), np.arange(9.0))
    assert [case.user for case in temporal_split(ratings).cases] == [1]


def test_too_few_users_to_split_are_refused(ratings: Ratings) -> None:
    with pytest.raises(BadInput):
        strong_split(ratings.take(np.flatnonzero(ratings.users < 100)), seed=0)
    with pytest.raises(BadInput):
        temporal_split(ratings.take(np.arange(3)))


@pytest.mark.parametrize("protocol", ["strong", "temporal"])
def test_the_model_is_clearly_above_popularity(protocol: str, ratings: Ratings, catalogue: Catalogue) -> None:
    split = strong_split(ratings, 0, held_out=100) if protocol == "strong" else temporal_split(ratings)
    ours, theirs = (
        scored(lists_of(_ranker(split, catalogue, model), split.cases), split.cases, len(catalogue))
        for model in (True, False)
    )
    gain, error = paired(ours.ndcg, theirs.ndcg)
    assert gain > 0.05 and gain > 4 * error
    assert ours.coverage > theirs.coverage


@pytest.mark.parametrize("likes", [0, 1, 2, 3, 5])
def test_few_likes_are_not_below_popularity(likes: int, ratings: Ratings, catalogue: Catalogue) -> None:
    split = strong_split(ratings, 0, held_out=150)
    cases = []
    for case in split.cases:
        liked = case.history.movie_ids[case.history.ratings >= 4]
        targets = np.concatenate([liked[likes:], case.targets])
        cases.append(Case(case.user, History.of(liked[:likes]), targets))
    ours, theirs = (
        scored(lists_of(_ranker(split, catalogue, model), cases), cases, len(catalogue))
        for model in (True, False)
    )
    assert ours.ndcg.mean() >= theirs.ndcg.mean()
