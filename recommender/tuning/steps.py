"""What is tried, in which order: one thing at a time, from the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RANK_STEP = 16


@dataclass(frozen=True, slots=True)
class Step:
    """Each option is a change of parameters."""

    name: str
    options: tuple[Mapping[str, Any], ...]


CHOSEN = (
    *("values", "taste_values", "ridge", "feature_weight", "rank"),
    *("recency_span", "recency_floor"),
)  # what is measured together, and so kept together
_RIDGES = (10.0, 14.0, 20.0, 27.0, 40.0, 56.0, 80.0)
_RANKS = (0.5, 0.7, 1.4)  # times the rank of the catalogue's size
_VALUES = (
    (0.0, 0.2, 0.6, 1.0, 1.2),
    (0.2, 0.4, 0.7, 1.0, 1.2),
    (0.0, 0.0, 0.4, 1.0, 1.3),
    (0.5, 0.6, 0.8, 1.0, 1.1),
    (0.0, 0.0, 0.0, 1.0, 1.2),  # for histories without low ratings
)
_TASTES = (
    (0.0, 0.1, 0.4, 1.0, 1.5),
    (0.0, 0.0, 0.3, 1.0, 1.7),
    (0.0, 0.2, 0.5, 1.0, 1.4),
    (0.0, 0.2, 0.6, 1.0, 1.2),
    (0.2, 0.4, 0.7, 1.0, 1.2),
    (0.0, 0.2, 0.6, 1.0, 1.7),
    (0.4, 0.5, 0.8, 1.0, 1.2),
)
_FEATURE_WEIGHTS = (1.0, 2.0, 4.0)
_RECENCY = (
    *((3.0, 0.15), (5.0, 0.1), (5.0, 0.15), (5.0, 0.25)),
    *((7.0, 0.15), (10.0, 0.15), (10.0, 0.3), (20.0, 0.3)),
)


def steps(rank: int) -> tuple[Step, ...]:
    """``rank`` is that of the catalogue's size."""
    ridge = Step("ridge", tuple({"ridge": one} for one in _RIDGES))
    ranks = Step("rank", ({"rank": None}, *({"rank": one} for one in ranks_near(rank))))
    return (
        ridge,
        ranks,
        Step("values", tuple({"values": one} for one in _VALUES)),
        Step("taste values", tuple({"taste_values": one} for one in _TASTES)),
        Step("feature weight", tuple({"feature_weight": one} for one in _FEATURE_WEIGHTS)),
        Step("recency", tuple({"recency_span": span, "recency_floor": floor} for span, floor in _RECENCY)),
        ridge,
        ranks,
    )


def ranks_near(rank: int) -> tuple[int, ...]:
    return tuple(max(1, round(rank * share / _RANK_STEP)) * _RANK_STEP for share in _RANKS)
