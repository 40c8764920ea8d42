"""Senders of ratings that no viewer gave: what they rate and how does not depend on any taste."""

from dataclasses import dataclass

import numpy as np

from simulator.movies import Floats, Movies, Rows

PRAISES, HURRIES, SHILLS = "praises everything", "rates the newest", "shills one title"
KINDS = (PRAISES, HURRIES, SHILLS)
A_DAY = {PRAISES: 20.0, HURRIES: 5.0, SHILLS: 2.0}  # ratings, on average
_FIRST = 1e6  # before all chance


@dataclass(frozen=True, slots=True)
class Bot:
    kind: str
    keys: Floats  # per movie: the largest is rated first
    favourite: int  # the row that a shill praises

    @property
    def a_day(self) -> float:
        return A_DAY[self.kind]

    def stars(self, rows: Rows) -> Floats:
        if self.kind == SHILLS:
            return np.where(rows == self.favourite, 5.0, 0.5)
        return np.full(len(rows), 5.0)


def draw_bot(movies: Movies, rng: np.random.Generator) -> Bot:
    kind = str(rng.choice(KINDS))
    keys, favourite = rng.gumbel(size=len(movies)), int(rng.integers(len(movies)))
    if kind == HURRIES:
        keys += 10 * np.nan_to_num(movies.listing.years, nan=0.0)
    else:
        keys += movies.fame  # a shill pulls down what stands before its title
    if kind == SHILLS:
        keys[favourite] = _FIRST
    return Bot(kind, keys, favourite)
