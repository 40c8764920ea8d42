"""Scores of every movie: one product makes them, and the best few are found without sorting all."""

import numpy as np
from numpy.typing import NDArray

_BLOCK, _MANY = 32, 4  # scores of a block; times as many blocks, or candidates, as movies wanted


def times(table: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Their product, row by row: BLAS reads a whole table that no cache holds at half the speed of memory."""
    found: NDArray[np.float32] = np.vecdot(table, vector)
    return found


def best(scores: NDArray[np.floating], k: int) -> NDArray[np.intp]:
    """Where the k highest finite scores stand, best first, equals in the order of rows."""
    if k <= 0:
        return np.zeros(0, np.intp)
    top = np.flatnonzero((scores >= _bar(scores, k)) & np.isfinite(scores))
    if len(top) > _MANY * k:  # equals, or blocks that are alike: once more among these
        place = len(top) - k
        top = top[scores[top] >= np.partition(scores[top], place)[place]]
    return top[np.argsort(-scores[top], kind="stable")][:k]


def _bar(scores: NDArray[np.floating], k: int) -> float:
    """At least k finite scores are not below it, unless there are fewer: the k-th best of blocks' best."""
    whole = len(scores) // _BLOCK * _BLOCK
    peaks = scores[:whole].reshape(-1, _BLOCK).max(axis=1)
    peaks = peaks[np.isfinite(peaks)]
    place = len(peaks) - k
    return float(np.partition(peaks, place)[place]) if len(peaks) > _MANY * k else -np.inf
