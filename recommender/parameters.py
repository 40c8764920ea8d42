"""Which values the parameters of a model may have; what breaks a rule is named."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recommender.errors import BadInput

_STARS = 5
_MOST = 10.0  # that a rating counts for
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class _Rule:
    wanted: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(wanted: str, within: Callable[[float], bool]) -> _Rule:
    return _Rule(f"a number {wanted}", lambda value: _is_number(value) and within(value))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _ascending(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != _STARS or not all(map(_is_number, value)):
        return False
    return list(value) == sorted(value) and value[0] >= -_MOST and value[-1] <= _MOST


def _in_tenths(value: Any) -> bool:
    return all(math.isclose(one * _TENTHS, round(one * _TENTHS), abs_tol=1e-6) for one in value)


_PER_STAR = f"five numbers that do not descend, one per star, from {-_MOST:g} to {_MOST:g}"
_POSITIVE = _number("above 0", lambda value: value > 0)
_NOT_NEGATIVE = _number("from 0 on", lambda value: value >= 0)
RULES = {
    "values": _Rule(f"{_PER_STAR}, in tenths", lambda value: _ascending(value) and _in_tenths(value)),
    "taste_values": _Rule(_PER_STAR, _ascending),
    "ridge": _POSITIVE,
    "feature_weight": _NOT_NEGATIVE,
    "rank": _Rule("a whole number from 1 on, or null", lambda value: value is None or _whole(value)),
    "prior": _NOT_NEGATIVE,
    "prior_half": _POSITIVE,
    "doubt": _NOT_NEGATIVE,
    "doubt_half": _POSITIVE,
    "preference": _NOT_NEGATIVE,
    "recency_span": _POSITIVE,
    "recency_floor": _number("from 0 to 1", lambda value: 0 <= value <= 1),
    "dense_limit": _Rule("a whole number from 1 on", _whole),
}


def checked(written: Any) -> dict[str, Any]:
    """As a model takes them; some may be left out."""
    if not isinstance(written, Mapping):
        raise BadInput("The parameters of the model are names with values.")
    for name, value in written.items():
        if name not in RULES:
            raise BadInput(f"{name!r} is none of the parameters of the model: {', '.join(RULES)}.")
        if not RULES[name].holds(value):
            raise BadInput(f"{name!r} of the parameters of the model is {value!r}, not {RULES[name].wanted}.")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in written.items()}
