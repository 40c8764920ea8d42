"""Titles that are good and differ, one by one: maximal marginal relevance (Carbonell and Goldstein 1998)."""

from collections.abc import Callable
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NEARNESS = 2.4  # with the roots, so much that each step from 0 to 1 costs about as much NDCG as the others


def pool_size(k: int) -> int:
    """How many of the best a list is chosen from: even the most diverse one is of good titles."""
    return max(10 * k, 100)


def scaled(scores: NDArray[np.float32]) -> Floats:
    """Within the pool: 0 for its last, 1 for its first, whatever the range of the scores."""
    scores = scores.astype(np.float64)
    span = np.ptp(scores) if len(scores) else 0.0
    return (scores - scores.min()) / span if span else np.ones(len(scores))


def varied(
    worth: Callable[[list[int]], Floats], vectors: NDArray[np.float32], k: int, diversity: float
) -> list[int]:
    """Places in the pool, each the best beside those before it; the first is the best, however diverse.

    ``worth`` says what each of the pool is worth after those chosen, 1 at most. Zeros are near nothing.
    """
    relevant, near = sqrt(1 - diversity), _NEARNESS * sqrt(diversity)
    directions = _directions(vectors)
    nearest = np.full(len(vectors), -1.0)  # cosine to the nearest that was chosen
    chosen: list[int] = []
    for _ in range(min(k, len(vectors))):
        marginal = relevant * worth(chosen) - near * nearest if chosen else worth(chosen)
        marginal[chosen] = -np.inf
        chosen.append(int(marginal.argmax()))
        if diversity:
            nearest = np.maximum(nearest, directions @ directions[chosen[-1]])
    return chosen


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1)[:, None], np.float32)
