"""Tastes that change over weeks: each viewer walks slowly from the taste of the beginning to another one."""

from dataclasses import dataclass

import numpy as np

from simulator.fashion import Fashion
from simulator.movies import Movies
from simulator.viewers import Viewer, draw_viewer

PACE_WEEKS, PACE_SPREAD = 40.0, 0.6  # after so many weeks (log-normal) about two thirds of the way are done


@dataclass(frozen=True, slots=True)
class Drift:
    to: Fashion
    pace: float  # weeks

    def way(self, weeks: float) -> float:
        """How far, from 0 to 1, a viewer has come so many weeks after the beginning."""
        return float(-np.expm1(-max(weeks, 0.0) / self.pace))

    def moved(self, viewer: Viewer, weeks: float) -> Viewer:
        return self.to.reach(viewer, self.way(weeks))


def draw_drift(movies: Movies, rng: np.random.Generator) -> Drift:
    """Towards the taste of some other viewer."""
    other = draw_viewer(movies, rng)
    to = Fashion(other.genre_taste, other.era, other.flavour, other.fandom)
    return Drift(to, float(PACE_WEEKS * rng.lognormal(0, PACE_SPREAD)))
