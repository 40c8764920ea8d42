import numpy as np
import pytest

from simulator.choice import chosen_alone, taken
from simulator.hours import PEAK, crowd, draw_second
from simulator.movies import Movies, imagine, read_listing
from simulator.truth import Exposure, Judged, Tally, coverage, gini, judge
from simulator.viewers import draw_viewer, pull, take_chances
from tests.simulator.weeks import titles

LIKING = np.array([0.5, 3.0, -1.0, 2.0, 1.0, -0.5])
NONE = np.array([], np.int64)


def shown(*rows: int, seen: tuple[int, ...] = (), k: int = 3) -> Judged:
    return judge(LIKING, np.array(seen, np.int64), rows, k)


def test_the_best_titles_in_their_order_leave_nothing_to_regret() -> None:
    assert shown(1, 3, 4) == Judged(regret=0.0, ndcg=1.0, served=2.0)


def test_regret_is_what_the_best_would_have_pleased_more_for_each_place() -> None:
    assert shown(1, 3, 2).regret == pytest.approx((1.0 - -1.0) / 3)


def test_order_changes_ndcg_and_not_regret() -> None:
    turned = shown(4, 3, 1)
    assert turned.regret == 0
    assert 0 < turned.ndcg < 1


def test_a_list_of_less_than_average_titles_has_no_gain() -> None:
    assert shown(0, 2, 5).ndcg == 0


def test_what_was_seen_is_no_longer_among_the_best() -> None:
    assert shown(3, 4, 0, seen=(1,)).regret == 0


@pytest.mark.parametrize("rows", [(1, 3), (1, 3, 3), (1, 3, 5)])
def test_an_empty_place_a_title_twice_and_one_that_was_seen_are_as_bad_as_the_worst(
    rows: tuple[int, ...],
) -> None:
    assert shown(*rows, seen=(5,)).regret == shown(1, 3, 2, seen=(5,)).regret > 0


def test_nothing_is_regretted_when_all_is_seen() -> None:
    assert shown(seen=(0, 1, 2, 3, 4, 5)).regret == 0


def test_sums_of_two_days_are_the_sums_of_both() -> None:
    one, other = Tally.of(shown(1, 3, 4), [3.0]), Tally.of(shown(0, 2, 5))
    both = (one + other).record()
    assert (both["lists"], both["taken"], both["pleasure"]) == (2, 0.5, 3.0)
    assert both["regret"] == pytest.approx(shown(0, 2, 5).regret / 2, abs=1e-5)


def test_exposure_tells_one_favourite_from_all_alike() -> None:
    even, one = np.full(100, 3), np.zeros(100, np.int64)
    one[7] = 300
    assert coverage(even) == 1 and gini(even) == pytest.approx(0)
    assert coverage(one) == 0.01 and gini(one) == pytest.approx(0.99)
    assert gini(np.zeros(5, np.int64)) == 0


def test_exposure_counts_each_showing() -> None:
    exposure = Exposure(4)
    exposure.show([1, 2])
    exposure.show([1])
    assert exposure.shown.tolist() == [0, 2, 1, 0]


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Movies:
    file = titles(tmp_path_factory.mktemp("truth"), 300)
    return imagine(read_listing(file.read_bytes(), file.name), np.random.default_rng(2))


def test_titles_are_taken_as_often_as_their_chances_say() -> None:
    rows = [1, 3, 0]
    moods = (np.arange(10_000) + 0.5) / 10_000
    picks = [taken(LIKING, rows, NONE, mood) for mood in moods]
    shares = [picks.count(row) / len(picks) for row in rows]
    assert shares == pytest.approx(take_chances(LIKING[rows]).tolist(), abs=2e-4)
    assert picks.count(None) > 0


def test_what_was_seen_is_never_taken() -> None:
    moods = np.linspace(0, 0.999, 200)
    assert {taken(LIKING, [1, 3], np.array([1]), mood) for mood in moods} == {3, None}
    assert taken(LIKING, [], NONE, 0.0) is None


def test_who_chooses_alone_follows_her_pull_and_what_is_open(movies: Movies) -> None:
    viewer = draw_viewer(movies, np.random.default_rng(3))
    rng, closed = np.random.default_rng(4), np.arange(0, 300, 2)
    picks = {chosen_alone(viewer, movies, closed, rng) for _ in range(300)}
    assert all(row is not None and row % 2 for row in picks)
    rows = np.array([row for row in picks if row is not None])
    assert pull(viewer, movies)[rows].mean() > pull(viewer, movies).mean() + 0.5
    assert chosen_alone(viewer, movies, np.arange(300), rng) is None


def test_most_come_at_eight_in_the_evening_and_fewest_at_eight_in_the_morning() -> None:
    assert (max(range(24), key=crowd), min(range(24), key=crowd)) == (PEAK, 8)
    rng = np.random.default_rng(5)
    drawn = np.array([draw_second(rng) for _ in range(20_000)]) // 3_600
    counts = np.bincount(drawn, minlength=24)
    expected = np.array([crowd(hour + 0.5) for hour in range(24)]) * len(drawn) / 24
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected.max())
