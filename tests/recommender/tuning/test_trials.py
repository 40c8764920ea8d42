from dataclasses import replace

import numpy as np
import pytest

from recommender.catalogue import Catalogue
from recommender.errors import NothingToDo
from recommender.evaluation import Ratings
from recommender.history import LIKED
from recommender.tuning.trials import FEWEST, STRONG, TEMPORAL, Trial, trials


@pytest.fixture(scope="module")
def asked(catalogue: Catalogue, ratings: Ratings) -> tuple[Trial, ...]:
    return trials(catalogue, ratings)


def _of_user(ratings: Ratings, user: int) -> set[int]:
    return set(ratings.movie_ids[ratings.users == user].tolist())


def test_there_are_three_of_held_out_users_and_one_in_time_order(asked: tuple[Trial, ...]) -> None:
    assert [trial.protocol for trial in asked] == [STRONG, STRONG, STRONG, TEMPORAL]
    assert len({trial.name for trial in asked}) == 4


def test_held_out_users_are_a_quarter_and_held_out_once(asked: tuple[Trial, ...]) -> None:
    held_out = [set(trial.asked.tolist()) for trial in asked[:3]]
    assert [len(users) for users in held_out] == [92] * 3  # of 366 with likes enough
    assert len(set.union(*held_out)) == 276


def test_no_target_is_learned_from_or_in_the_history(
    asked: tuple[Trial, ...], catalogue: Catalogue, ratings: Ratings
) -> None:
    people = np.unique(ratings.users)
    for trial in asked:
        learned = len(people) - (len(trial.cases) if trial.protocol == STRONG else 0)
        assert len(np.unique(trial.users)) == learned
        hidden = sum(len(case.targets) for case in trial.cases)
        if trial.protocol == TEMPORAL:
            assert len(trial.rows) <= len(ratings) - hidden
        for case in trial.cases:
            told, targets = set(case.history.movie_ids.tolist()), set(case.targets.tolist())
            assert targets and not told & targets
            assert told | targets <= _of_user(ratings, case.user)


def test_users_with_few_likes_are_learned_from_and_not_asked_about(
    asked: tuple[Trial, ...], ratings: Ratings
) -> None:
    likes = np.bincount(ratings.users, ratings.ratings >= LIKED)
    for trial in asked:
        assert likes[trial.asked].min() >= 5
    temporal = asked[3]
    assert len(np.unique(temporal.users)) == len(np.unique(ratings.users)) > len(temporal.cases)


def test_histories_of_likes_hold_likes_only(catalogue: Catalogue, ratings: Ratings) -> None:
    for whole, liked in zip(trials(catalogue, ratings), trials(catalogue, ratings, True), strict=True):
        for one, other in zip(whole.cases, liked.cases, strict=True):
            assert other.history.ratings.min() >= LIKED
            np.testing.assert_array_equal(one.targets, other.targets)
            kept = one.history.ratings >= LIKED
            np.testing.assert_array_equal(one.history.movie_ids[kept], other.history.movie_ids)


def test_without_times_nothing_is_asked_in_time_order(catalogue: Catalogue, ratings: Ratings) -> None:
    untimed = replace(ratings, times=np.full(len(ratings), np.nan))
    assert [trial.protocol for trial in trials(catalogue, untimed)] == [STRONG] * 3


def test_too_few_users_are_told_of(catalogue: Catalogue, ratings: Ratings) -> None:
    few = ratings.take(np.flatnonzero(ratings.users < FEWEST))
    with pytest.raises(NothingToDo, match=f"fewer than {FEWEST}"):
        trials(catalogue, few)


def test_movies_outside_the_catalogue_say_nothing(catalogue: Catalogue, ratings: Ratings) -> None:
    strange = replace(ratings, movie_ids=np.where(ratings.movie_ids == 10, 999_999, ratings.movie_ids))
    for trial in trials(catalogue, strange):
        assert trial.rows.min() >= 0
