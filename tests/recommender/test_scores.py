import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.scores import best, times

ODD = (np.nan, np.inf, -np.inf)


def in_order(scores: NDArray[np.float32], k: int) -> list[int]:
    """By sorting all of them."""
    finite = [row for row, score in enumerate(scores.tolist()) if np.isfinite(score)]
    return sorted(finite, key=lambda row: -scores[row])[:k]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, -np.inf]), max_size=30), st.integers(0, 35))
def test_the_best_are_in_order_and_equals_keep_theirs(listed: list[float], k: int) -> None:
    scores = np.array(listed, np.float32)
    assert best(scores, k).tolist() == in_order(scores, k)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(0, 3_000),
    k=st.sampled_from([1, 3, 10, 100, 5_000]),
    different=st.sampled_from([1, 2, 20, 10**6]),
    odd=st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_the_best_of_many_are_those_of_a_whole_sort(
    rows: int, k: int, different: int, odd: float, seed: int
) -> None:
    """Equals, more wanted than there are, and blocks that hold what is no number or infinite."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, different, rows).astype(np.float32) - np.float32(different / 2)
    scores[rng.random(rows) < odd] = rng.choice(ODD)
    assert best(scores, k).tolist() == in_order(scores, k)


@pytest.mark.parametrize("rows", [1, 1_000, 40_000])
def test_a_product_of_a_row_is_right_and_the_same_in_any_table(rows: int) -> None:
    rng = np.random.default_rng(1)
    table, vector = rng.standard_normal((rows, 256), np.float32), rng.standard_normal(256, np.float32)
    found = times(table, vector)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, table.astype(np.float64) @ vector.astype(np.float64), rtol=0, atol=1e-4)
    np.testing.assert_allclose(found, table @ vector, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(found[rows // 2 :], times(table[rows // 2 :].copy(), vector))
