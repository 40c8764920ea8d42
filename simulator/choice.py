"""What a viewer makes of a list: takes a title or none, or chooses by herself; and what she says of it."""

from collections.abc import Sequence

import numpy as np

from simulator.movies import Floats, Movies, Rows
from simulator.viewers import Viewer, largest, pull, take_chances


def taken(pleases: Floats, shown: Sequence[int], closed: Rows, chance: float) -> int | None:
    """Of the rows that are shown, never one of the `closed`. `chance` is drawn from 0 to 1."""
    rows = np.asarray(shown, np.int64)
    open_to = np.where(np.isin(rows, closed), -np.inf, pleases[rows])
    chances = take_chances(open_to) if len(rows) else np.empty(0)
    place = int(np.searchsorted(np.cumsum(chances), chance, side="right"))
    return int(rows[place]) if place < len(rows) else None


def chosen_alone(viewer: Viewer, movies: Movies, closed: Rows, rng: np.random.Generator) -> int | None:
    """By taste and fame, as without any list."""
    keys = pull(viewer, movies) + rng.gumbel(size=len(movies))
    keys[closed] = -np.inf
    found = largest(keys, 1)
    return int(found[0]) if len(found) else None
