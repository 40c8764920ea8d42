"""Titles that belong together, found from the titles alone: numbered sequels and shared stems."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NONE = -1  # a title that stands alone

_ASIDE = re.compile(r"\s*\([^)]*\)")  # the year, and other names
_ARTICLE = re.compile(r"^(?:the|a|an)\s+|,\s*(?:the|a|an)$")
_REST = re.compile(r"\s*(?::|\s-\s|\band the\b).*$")
_PART = re.compile(r"[\s,]+(?:(?:part|episode|chapter|volume|vol\.?)\s+\w+|1?\d|[ivx]{2,5}|v)$")


def find_franchises(titles: Sequence[str]) -> NDArray[np.int64]:
    """For each title the number of its franchise, NONE where no other title has its stem."""
    stems = [stem(title) for title in titles]
    together = [name for name, count in Counter(stems).items() if count > 1 and name]
    number = {name: n for n, name in enumerate(together)}
    return np.array([number.get(name, NONE) for name in stems], np.int64)


def stem(title: str) -> str:
    """`Rocky II (1979)` and `Rocky (1976)` have one stem; so have `Alien: Covenant` and `Alien 3`."""
    plain = _ARTICLE.sub("", _ASIDE.sub("", title).strip().lower())
    plain = _PART.sub("", plain)
    head = _REST.sub("", plain)
    return _PART.sub("", head) or plain
