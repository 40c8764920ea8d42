"""Viewers with hidden tastes, and what they watch and say of it.

Every function that leaves something to chance takes its generator, so a seed decides all of it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from simulator.movies import DIMENSIONS, Floats, Movies, Rows, unit

FEWEST, MOST = 8, 400
DAY = 86_400
LONGEST_DAYS, SHORTEST_DAYS = 365, 7  # how long before the last day a viewer may have joined
ERA_YEARS = 12.0
# A viewer watches what pleases, so what is watched pleases more than the average movie: this keeps the mean.
CHOSEN_GAIN = 0.6


@dataclass(frozen=True, slots=True)
class Viewer:
    genre_taste: Floats  # per genre: about 1 loved, -1 disliked, 0 neither
    era: float  # the year liked best
    flavour: Floats  # (DIMENSIONS,), unit
    fame_pull: float  # near 0 for those who seek the obscure
    focus: float  # how strongly taste decides what is watched
    mean: float  # the personal rating scale
    spread: float
    activity: int  # ratings in all, when there are movies enough


@dataclass(frozen=True, slots=True)
class Ratings:
    """One viewer's, oldest first."""

    movie_ids: Rows
    stars: Floats
    times: Rows  # unix seconds, strictly increasing

    def __len__(self) -> int:
        return len(self.movie_ids)


def draw_viewer(movies: Movies, rng: np.random.Generator) -> Viewer:
    return Viewer(
        genre_taste=draw_genre_taste(movies.listing.has_genre.mean(axis=0), rng),
        era=draw_era(movies.listing.years, rng),
        flavour=draw_flavour(movies.flavour, rng),
        fame_pull=float(rng.uniform(0.5, 1.3)),
        focus=float(rng.lognormal(np.log(1.9), 0.25)),
        mean=float(rng.normal(3.65, 0.35)),
        spread=float(rng.lognormal(np.log(1.05), 0.25)),
        activity=draw_activity(rng),
    )


def draw_genre_taste(shares: Floats, rng: np.random.Generator) -> Floats:
    """A few loved and a few disliked genres; common genres are chosen more often than rare ones."""
    taste = rng.normal(scale=0.15, size=len(shares))
    order = np.argsort(-(np.log(shares) / 2 + rng.gumbel(size=len(shares))))
    loved, disliked = rng.integers(2, 5), rng.integers(1, 4)
    taste[order[:loved]] += 1.0
    taste[order[loved : loved + disliked]] -= 1.0
    return taste


def draw_era(years: Floats, rng: np.random.Generator) -> float:
    """Near the year of some movie, so that eras with many movies have many friends."""
    known = years[~np.isnan(years)]
    return float(rng.choice(known) + rng.normal(scale=5.0)) if len(known) else float("nan")


def draw_flavour(flavours: Floats, rng: np.random.Generator) -> Floats:
    return unit(rng.choice(flavours) + 0.5 * unit(rng.normal(size=DIMENSIONS)))


def draw_activity(rng: np.random.Generator) -> int:
    """Heavy-tailed: most rate a few dozen movies, a few rate hundreds."""
    return int(min(FEWEST + rng.lognormal(np.log(34), 1.1), MOST))


def taste(viewer: Viewer, movies: Movies) -> Floats:
    """How each movie suits this viewer, apart from its quality: mean 0, deviation 1 over all movies."""
    suits = (
        genre_match(viewer, movies) + 0.8 * era_match(viewer, movies) + 2.6 * movies.flavour @ viewer.flavour
    )
    centred = suits - suits.mean()
    return np.asarray(centred / (centred.std() or 1.0))


def genre_match(viewer: Viewer, movies: Movies) -> Floats:
    has_genre = movies.listing.has_genre
    return np.asarray(has_genre @ viewer.genre_taste / np.sqrt(np.maximum(has_genre.sum(axis=1), 1.0)))


def era_match(viewer: Viewer, movies: Movies) -> Floats:
    distance = (movies.listing.years - viewer.era) / ERA_YEARS
    return np.nan_to_num(np.exp(-(distance**2) / 2), nan=0.5)


def liking(viewer: Viewer, movies: Movies) -> Floats:
    """What the viewer would truly think of each movie, before mood and rounding."""
    return 0.55 * taste(viewer, movies) + 0.45 * movies.quality


def watch(viewer: Viewer, movies: Movies, year: int, rng: np.random.Generator) -> Rows:
    """Rows of the movies watched, in order; never one of a later year than `year`."""
    pull = viewer.fame_pull * movies.fame + viewer.focus * taste(viewer, movies)
    # The largest of these sums are a draw without replacement with weights exp(pull) (Gumbel top-k).
    keys = pull + rng.gumbel(size=len(movies))
    keys[movies.listing.years > year] = -np.inf
    chosen = np.argsort(-keys, kind="stable")[: min(viewer.activity, int(np.isfinite(keys).sum()))]
    return rng.permutation(chosen)


def rate(viewer: Viewer, movies: Movies, rows: Rows, rng: np.random.Generator) -> Floats:
    """Half stars from 0.5 to 5."""
    mood = rng.normal(scale=0.55, size=len(rows))
    opinion = viewer.mean + viewer.spread * (liking(viewer, movies)[rows] - CHOSEN_GAIN + mood)
    return np.clip(np.round(opinion * 2) / 2, 0.5, 5.0)


def live(viewer: Viewer, movies: Movies, until: date, rng: np.random.Generator) -> Ratings:
    """All that this viewer rated before the day `until` began (UTC)."""
    end = int(datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp())
    start = end - int(rng.integers(SHORTEST_DAYS * DAY, LONGEST_DAYS * DAY))
    rows = watch(viewer, movies, datetime.fromtimestamp(start, UTC).year, rng)
    times = start + np.sort(rng.choice(end - start, size=len(rows), replace=False, shuffle=False))
    return Ratings(movies.listing.movie_ids[rows], rate(viewer, movies, rows, rng), times)
