"""Whom the gate asks about: what is known of them, and what is asked."""

from pathlib import Path

import numpy as np
import pytest

from recommender.catalogue import Catalogue
from recommender.errors import BadInput, NotFound
from recommender.evaluation import Case, Ratings
from recommender.files import Store
from recommender.history import History
from recommender.learning.cases import groups, head_of, newest_cases, read_cases, segment, strong_cases
from recommender.learning.gate import Unshown
from tests.recommender.laboratory import HELD_OUT, today, write_snapshot


def rated(user: int, ratings: list[float], first: int = 1) -> Ratings:
    size = len(ratings)
    ids = np.arange(first, first + size)
    return Ratings(np.full(size, user), ids, np.array(ratings, np.float32), 1e9 + np.arange(float(size)))


def joined(*some: Ratings) -> Ratings:
    names = ("users", "movie_ids", "ratings", "times")
    return Ratings(*(np.concatenate([getattr(own, name) for own in some]) for name in names))


def own(ratings: Ratings, user: int) -> Ratings:
    return ratings.take(np.flatnonzero(ratings.users == user))


def test_a_history_and_its_targets_are_all_that_a_user_rated_and_share_nothing(ratings: Ratings) -> None:
    cases = strong_cases(ratings)
    assert len(cases) > 350
    for case in cases:
        mine = own(ratings, case.user)
        likes = set(mine.movie_ids[mine.ratings >= 4].tolist())
        history, targets = set(case.history.movie_ids.tolist()), set(case.targets.tolist())
        assert targets <= likes and len(targets) == max(1, round(0.2 * len(likes)))
        assert history | targets == set(mine.movie_ids.tolist()) and not history & targets
        assert np.isnan(case.history.times).all()


def test_low_ratings_are_shown_to_the_model() -> None:
    (case,) = strong_cases(rated(1, [5.0] * 5 + [0.5, 1.0]))
    assert sorted(case.history.ratings.tolist()) == [0.5, 1, 5, 5, 5, 5]


def test_four_likes_are_too_few() -> None:
    assert strong_cases(rated(1, [5.0] * 4 + [3.5] * 9)) == ()


def test_a_user_is_asked_the_same_whoever_else_is_asked(ratings: Ratings) -> None:
    everybody = {case.user: case.targets.tolist() for case in strong_cases(ratings)}
    for case in strong_cases(ratings.take(np.flatnonzero(ratings.users % 3 == 0))):
        assert case.targets.tolist() == everybody[case.user]


def test_the_order_of_the_rows_changes_nothing(ratings: Ratings) -> None:
    mixed = ratings.take(np.random.default_rng(1).permutation(len(ratings)))
    first, again = strong_cases(ratings), strong_cases(mixed)
    assert [(c.user, c.targets.tolist()) for c in first] == [(c.user, c.targets.tolist()) for c in again]


def test_one_more_like_moves_the_draw_by_one_movie_at_most() -> None:
    before, after = (set(strong_cases(rated(7, [5.0] * n))[0].targets.tolist()) for n in (20, 21))
    assert len(before) == len(after) == 4
    assert len(before & after) >= 3


def test_users_draw_differently() -> None:
    draws = {tuple(strong_cases(rated(user, [5.0] * 20))[0].targets.tolist()) for user in range(9)}
    assert len(draws) > 5


def test_at_most_so_many_cases_are_taken_and_always_the_same_ones(ratings: Ratings) -> None:
    some, fewer = strong_cases(ratings, most=40), strong_cases(ratings, most=10)
    assert len(some) == 40
    assert [case.user for case in fewer] == [case.user for case in some[:10]]
    assert [case.user for case in some] != sorted(case.user for case in some)


def test_the_newest_day_is_asked_about_and_not_known(ratings: Ratings) -> None:
    on_day = today(ratings)
    cases = newest_cases(ratings, on_day)
    assert len(cases) > 100
    for case in cases:
        mine = ratings.users == case.user
        assert set(case.history.movie_ids.tolist()) == set(ratings.movie_ids[mine & ~on_day].tolist())
        assert case.history.times.max() < ratings.times[mine & on_day].min()
        liked = ratings.movie_ids[mine & on_day & (ratings.ratings >= 4)]
        assert sorted(case.targets.tolist()) == sorted(liked.tolist())


def test_a_day_without_a_like_asks_nothing_and_a_first_day_has_no_history() -> None:
    ratings = joined(rated(1, [5.0, 3.0]), rated(2, [4.0, 2.0]))
    (case,) = newest_cases(ratings, np.array([False, True, True, True]))
    assert (case.user, len(case.history), case.targets.tolist()) == (2, 0, [1])


def test_a_movie_that_was_known_before_is_not_asked_about() -> None:
    ratings = joined(rated(1, [3.0]), rated(1, [5.0]), rated(1, [5.0], first=2))
    (case,) = newest_cases(ratings, np.array([False, True, True]))
    assert case.targets.tolist() == [2]


def test_of_the_held_out_what_was_shown_is_forgotten(ratings: Ratings) -> None:
    every = strong_cases(ratings)
    shown = {case.user: np.append(case.targets[:2], 7) for case in every[::2]}
    found = {case.user: case for case in strong_cases(ratings, shown)}
    assert len(shown) < len(found) <= len(every)
    for user, seen in shown.items():
        mine = own(ratings, user)
        left = mine.take(np.flatnonzero(~np.isin(mine.movie_ids, seen)))
        assert (user in found) == ((left.ratings >= 4).sum() >= 5)
        if case := found.get(user):
            assert np.union1d(case.history.movie_ids, case.targets).tolist() == sorted(left.movie_ids)
            assert len(case.shown) == 0  # it may be listed
    assert [found[c.user].targets.tolist() for c in every[1::2]] == [c.targets.tolist() for c in every[1::2]]


def test_of_the_newest_day_what_was_shown_is_neither_asked_about_nor_listed() -> None:
    ratings = joined(rated(1, [5.0, 5.0, 5.0, 2.0]), rated(2, [5.0, 5.0]))
    on_day = np.array([False, True, True, True, True, True])
    shown = {1: np.array([1, 2, 9]), 2: np.array([1, 2])}
    (case,) = newest_cases(ratings, on_day, shown)
    assert (case.user, case.targets.tolist(), case.shown.tolist()) == (1, [3], [1, 2, 9])
    assert case.history.movie_ids.tolist() == [1]  # what was rated before stays known


@pytest.mark.parametrize(("watching", "enough"), [(HELD_OUT - 10, False), (HELD_OUT // 3, True)])
def test_only_where_nearly_everything_was_shown_it_is_asked_about(
    tmp_path: Path, catalogue: Catalogue, ratings: Ratings, watching: int, enough: bool
) -> None:
    data = Store.at(tmp_path)
    shown = dict.fromkeys(range(watching), catalogue.movie_ids.tolist())
    write_snapshot(data, "a", catalogue, ratings, shown=shown)
    write_snapshot(data, "b", catalogue, ratings)  # as older code left it
    found, plain = read_cases(data, "a"), read_cases(data, "b")
    unseen = [case.user for case in plain.strong if case.user >= watching]
    assert found.strong_unshown == Unshown(len(unseen), len(plain.strong))
    assert found.strong_fair is enough
    assert [case.user for case in found.strong] == (unseen if enough else [c.user for c in plain.strong])
    assert plain.strong_unshown is plain.newest_unshown is found.newest_unshown is None


def test_nobody_makes_no_cases() -> None:
    nobody = rated(1, [])
    assert strong_cases(nobody) == newest_cases(nobody, np.zeros(0, bool)) == ()


@pytest.mark.parametrize(
    ("size", "name"), [(0, "new"), (5, "new"), (6, "light"), (50, "light"), (51, "heavy")]
)
def test_a_user_is_new_light_or_heavy_by_the_history(size: int, name: str) -> None:
    assert segment(Case(1, History.of(np.arange(size)), np.array([99]))) == name


def test_the_head_holds_half_of_the_ratings_in_as_few_movies_as_can_be() -> None:
    ids = np.array([4, 7, 9, 11, 12])
    assert head_of(ids, np.array([10, 40, 30, 10, 10])).tolist() == [7, 9]
    assert head_of(ids, np.array([10, 60, 10, 10, 10])).tolist() == [7]
    assert head_of(ids, np.zeros(5, np.int64)).tolist() == []


def test_every_user_is_in_one_segment_and_every_target_in_head_or_tail(
    ratings: Ratings, catalogue: Catalogue
) -> None:
    cases = strong_cases(ratings)
    found = groups(cases, head_of(catalogue.movie_ids, catalogue.popularity))
    assert set(found) == {"all", "light", "head", "tail"}
    assert found["light"].places == found["all"].places == tuple(range(len(cases)))
    targets = {
        name: {i: c.targets.tolist() for i, c in zip(*_pairs(found[name]), strict=True)} for name in found
    }
    for i, case in enumerate(cases):
        halves = targets["head"].get(i, []) + targets["tail"].get(i, [])
        assert sorted(halves) == sorted(case.targets.tolist())


def _pairs(group: object) -> tuple[tuple[int, ...], tuple[Case, ...]]:
    return group.places, group.cases  # type: ignore[attr-defined]


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue, ratings: Ratings) -> Store:
    store = Store.at(tmp_path_factory.mktemp("data"))
    write_snapshot(store, "d1", catalogue, ratings)
    return store


def test_a_snapshot_gives_held_out_users_the_newest_day_and_what_is_popular(
    store: Store, ratings: Ratings
) -> None:
    cases = read_cases(store, "d1")
    assert {case.user for case in cases.strong} <= set(range(HELD_OUT))
    assert len(cases.strong) > 100 and len(cases.newest) > 80
    assert sum(cases.popularity.values()) == np.count_nonzero(ratings.users >= HELD_OUT)
    half = sum(count for movie_id, count in cases.popularity.items() if movie_id in cases.head)
    assert half >= sum(cases.popularity.values()) / 2


def test_a_snapshot_that_is_gone_or_changed_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match="not there, or not sealed"):
        read_cases(store, "d2")
    store.write("training/d1/gate.parquet", b"something else")
    with pytest.raises(BadInput, match="not the file that its manifest names"):
        read_cases(store, "d1")
