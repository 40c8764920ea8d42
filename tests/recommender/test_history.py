import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import BadInput
from recommender.history import LIKED, History

entries = st.lists(
    st.tuples(
        st.integers(1, 8), st.sampled_from([None, 0.5, 3.0, 5.0]), st.sampled_from([None, 1.0, 2.0, 3.0])
    ),
    max_size=20,
)


def _history(rows: list[tuple[int, float | None, float | None]]) -> History:
    return History.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def test_the_untimed_are_the_oldest_in_the_order_given() -> None:
    history = History.of([1, 2, 3, 4], None, [20.0, None, 10.0, None])
    assert history.movie_ids.tolist() == [2, 4, 3, 1]


def test_a_movie_twice_keeps_the_later_rating() -> None:
    assert History.of([1, 1], [5.0, 2.0]).ratings.tolist() == [2.0]
    assert History.of([1, 1], [5.0, 2.0], [9.0, 3.0]).ratings.tolist() == [5.0]
    assert History.of([1, 1], [5.0, 2.0], [9.0, None]).ratings.tolist() == [5.0]


def test_a_missing_rating_is_a_like() -> None:
    assert History.of([1, 2], [None, 1.0]).ratings.tolist() == [LIKED, 1.0]
    assert History.of([1, 2]).ratings.tolist() == [LIKED, LIKED]


@pytest.mark.parametrize("rating", [0.0, 5.5, -1.0, float("inf")])
def test_a_rating_off_the_scale_is_refused(rating: float) -> None:
    with pytest.raises(BadInput):
        History.of([1], [rating])


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(BadInput):
        History.of([1, 2], [3.0])


@given(entries)
def test_a_history_has_distinct_movies_in_time_order(
    rows: list[tuple[int, float | None, float | None]],
) -> None:
    history = _history(rows)
    assert sorted(history.movie_ids.tolist()) == sorted({row[0] for row in rows})
    moments = np.where(np.isnan(history.times), -np.inf, history.times)
    assert (moments[:-1] <= moments[1:]).all()


@given(entries, entries)
def test_merging_is_giving_both_at_once(
    first: list[tuple[int, float | None, float | None]], second: list[tuple[int, float | None, float | None]]
) -> None:
    merged, both = _history(first).merged(_history(second)), _history(first + second)
    assert dict(zip(merged.movie_ids.tolist(), merged.ratings.tolist(), strict=True)) == dict(
        zip(both.movie_ids.tolist(), both.ratings.tolist(), strict=True)
    )
