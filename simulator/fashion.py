"""A fashion: where tastes move to. One that is drawn by the seed alone is the same for everybody."""

from dataclasses import dataclass, replace

import numpy as np

from simulator.movies import Floats, Movies, unit
from simulator.viewers import Viewer, draw_flavour

OLD = 0.25  # of the movies: a fashion looks back to the year of one of these
STRENGTH = 3.0  # three times what a single viewer loves or dislikes


@dataclass(frozen=True, slots=True)
class Fashion:
    genre_taste: Floats
    era: float
    flavour: Floats
    fandom: Floats

    def reach(self, viewer: Viewer, shift: float) -> Viewer:
        """The same viewer with a taste so far on the way, from 0 to 1; habits and scale stay."""
        if shift == 0:
            return viewer
        return replace(
            viewer,
            genre_taste=between(viewer.genre_taste, self.genre_taste, shift),
            era=float(between(viewer.era, self.era, shift)),
            flavour=unit(between(viewer.flavour, self.flavour, shift)),
            fandom=between(viewer.fandom, self.fandom, shift),
        )


def draw_fashion(movies: Movies, rng: np.random.Generator) -> Fashion:
    known = movies.known_years
    era = float(np.quantile(known, rng.uniform(0, OLD))) if len(known) else float("nan")
    return Fashion(
        genre_taste=turned(movies.common, rng),
        era=era,
        flavour=draw_flavour(movies.flavour, rng),
        fandom=np.zeros(int(movies.listing.franchise.max()) + 2),
    )


def turned(shares: Floats, rng: np.random.Generator) -> Floats:
    """A third of the genres rises, most likely rare ones, and a third falls, most likely common ones."""
    order = np.argsort(np.log(shares) + rng.gumbel(scale=0.5, size=len(shares)))
    taste, some = np.zeros(len(shares)), len(shares) // 3
    taste[order[:some]] = STRENGTH
    taste[order[len(shares) - some :]] = -STRENGTH
    return taste


def between(own: Floats | float, other: Floats | float, shift: float) -> Floats:
    return np.asarray((1 - shift) * np.asarray(own) + shift * np.asarray(other))
