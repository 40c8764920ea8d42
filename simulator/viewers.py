"""Viewers with hidden tastes, and what they watch and say of it.

Every function that leaves something to chance takes its generator, so a seed decides all of it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from simulator.movies import DIMENSIONS, Floats, Movies, Rows, standard, unit

DAY = 86_400
LONGEST_DAYS, SHORTEST_DAYS = 365, 7  # how long before the last day a viewer may have joined
ERA_YEARS = 12.0

# What follows was calibrated to look like ml-latest-small (CALIBRATION.md) by
# `marquee-simulate calibrate` and `marquee bench quality`.
FEWEST, MIDDLE, TAIL = 20, 55.0, 1.4  # ratings: the least, and what comes on top, log-normal
MANY = 9_742  # movies: as much choice as the calibration had
OF_ALL = 0.3  # of a large catalogue: nobody has seen more
FAME_PULL = 0.7, 1.5  # of the one who seeks the obscure, and of the one who follows the crowd
FOCUS = 1.7  # how strongly taste decides what is watched
ERA, FLAVOUR, FAN = 0.8, 2.6, 0.7  # weights beside the genres'
LIKING_TASTE, LIKING_QUALITY = 0.55, 0.5
MEAN, MEAN_SPREAD = 3.6, 0.43
SPREAD, MODERATION = 1.25, 0.6  # praise comes in smaller steps than blame
MOOD = 0.7
WHOLE_STARS = 0.32  # of the viewers give no half stars
# A viewer watches what pleases, so what is watched pleases more than the average movie: this keeps the mean.
CHOSEN_GAIN = 1.0

# Before a list: a title that pleases so much is taken half the time it is looked at.
WANTED, DOUBT = 1.0, 0.5
PATIENCE = 0.85  # for one title more


@dataclass(frozen=True, slots=True)
class Viewer:
    genre_taste: Floats  # per genre: about 1 loved, -1 disliked, 0 neither
    era: float  # the year liked best
    flavour: Floats  # (DIMENSIONS,), unit
    fandom: Floats  # per franchise: mostly near 0, a few far from it; then 0 for titles that stand alone
    fame_pull: float  # near 0 for those who seek the obscure
    focus: float  # how strongly taste decides what is watched
    demand: float  # how much quality counts in what is liked
    mean: float  # the personal rating scale
    spread: float
    whole: bool  # gives no half stars
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
        genre_taste=draw_genre_taste(movies.common, rng),
        era=draw_era(movies.known_years, rng),
        flavour=draw_flavour(movies.flavour, rng),
        fandom=draw_fandom(int(movies.listing.franchise.max()) + 1, rng),
        fame_pull=float(rng.uniform(*FAME_PULL)),
        focus=float(rng.lognormal(np.log(FOCUS), 0.25)),
        demand=float(LIKING_QUALITY * rng.lognormal(0, 0.25)),
        mean=float(rng.normal(MEAN, MEAN_SPREAD)),
        spread=float(rng.lognormal(np.log(SPREAD), 0.25)),
        whole=bool(rng.random() < WHOLE_STARS),
        activity=draw_activity(len(movies), rng),
    )


def draw_genre_taste(shares: Floats, rng: np.random.Generator) -> Floats:
    """A few loved and a few disliked genres; common genres are chosen more often than rare ones."""
    taste = rng.normal(scale=0.15, size=len(shares))
    order = np.argsort(-(np.log(shares) / 2 + rng.gumbel(size=len(shares))))
    loved, disliked = rng.integers(2, 5), rng.integers(1, 4)
    taste[order[:loved]] += 1.0
    taste[order[loved : loved + disliked]] -= 1.0
    return taste


def draw_era(known: Floats, rng: np.random.Generator) -> float:
    """Near the year of some movie, so that eras with many movies have many friends."""
    return float(rng.choice(known) + rng.normal(scale=5.0)) if len(known) else float("nan")


def draw_flavour(flavours: Floats, rng: np.random.Generator) -> Floats:
    return unit(rng.choice(flavours) + 0.5 * unit(rng.normal(size=DIMENSIONS)))


def draw_fandom(franchises: int, rng: np.random.Generator) -> Floats:
    return np.append(rng.laplace(scale=0.7, size=franchises), 0.0)


def draw_activity(movies: int, rng: np.random.Generator) -> int:
    """Heavy-tailed: most rate a few dozen, a few rate thousands; less where there is less to choose from."""
    middle = MIDDLE * min(1.0, np.sqrt(movies / MANY))
    return FEWEST + int(rng.lognormal(np.log(middle), TAIL))


def taste(viewer: Viewer, movies: Movies) -> Floats:
    """How each movie suits this viewer, apart from its quality: mean 0, deviation 1 over all movies."""
    suits = (
        movies.genre_share @ viewer.genre_taste
        + ERA * era_match(viewer, movies)
        + FLAVOUR * (movies.flavour @ viewer.flavour)
        + FAN * viewer.fandom[movies.listing.franchise]
    )
    return standard(suits)


def era_match(viewer: Viewer, movies: Movies) -> Floats:
    distance = (movies.listing.years - viewer.era) / ERA_YEARS
    return np.where(np.isnan(distance), 0.5, np.exp(-(distance**2) / 2))


def liking(viewer: Viewer, movies: Movies) -> Floats:
    """What the viewer would truly think of each movie, before mood and rounding."""
    return liked(viewer, movies, taste(viewer, movies))


def liked(viewer: Viewer, movies: Movies, suits: Floats) -> Floats:
    return LIKING_TASTE * suits + viewer.demand * movies.quality


def pull(viewer: Viewer, movies: Movies) -> Floats:
    """How likely the viewer is to pick each movie without being asked, as the logarithm of a weight."""
    return pulled(viewer, movies, taste(viewer, movies))


def pulled(viewer: Viewer, movies: Movies, suits: Floats) -> Floats:
    return viewer.fame_pull * movies.fame + viewer.focus * suits


def watch(viewer: Viewer, movies: Movies, year: int, rng: np.random.Generator) -> Rows:
    """Rows of the movies watched, in order; never one of a later year than `year`."""
    return rng.permutation(picked(viewer, movies, taste(viewer, movies), year, rng))


def picked(viewer: Viewer, movies: Movies, suits: Floats, year: int, rng: np.random.Generator) -> Rows:
    # The largest of these sums are a draw without replacement with weights exp(pull) (Gumbel top-k).
    keys = pulled(viewer, movies, suits) + gumbel(len(movies), rng)
    keys[movies.listing.years > year] = -np.inf
    return largest(keys, min(viewer.activity, most_seen(movies)))


def most_seen(movies: Movies) -> int:
    return max(FEWEST, int(OF_ALL * len(movies)))


def gumbel(count: int, rng: np.random.Generator) -> Floats:
    """A third of the time of the generator's own."""
    return np.asarray(-np.log(rng.standard_exponential(size=count)))


def largest(keys: Floats, count: int) -> Rows:
    """Where the largest finite ones are, the largest first."""
    count = min(count, int(np.isfinite(keys).sum()))
    if count < len(keys):
        top = np.argpartition(-keys, count)[:count]
        return top[np.argsort(-keys[top], kind="stable")]
    return np.argsort(-keys, kind="stable")


def rate(viewer: Viewer, movies: Movies, rows: Rows, rng: np.random.Generator) -> Floats:
    """Half stars from 0.5 to 5."""
    return stars(viewer, liking(viewer, movies)[rows], rng)


def stars(viewer: Viewer, pleases: Floats, rng: np.random.Generator) -> Floats:
    mood = rng.normal(scale=MOOD, size=len(pleases))
    felt = pleases - CHOSEN_GAIN + mood
    opinion = viewer.mean + viewer.spread * np.where(felt > 0, MODERATION * felt, felt)
    if viewer.whole:
        return np.clip(np.round(opinion), 1.0, 5.0)
    return np.clip(np.round(opinion * 2) / 2, 0.5, 5.0)


def take_chances(pleases: Floats) -> Floats:
    """For each place of a list, by how its titles please: the chance that this one is taken.

    The viewer looks from the top, with less patience for each further title; the rest to 1 is to take none.
    """
    wanted = 1 / (1 + np.exp((WANTED - pleases) / DOUBT))
    passed = np.cumprod(np.append(1.0, PATIENCE * (1 - wanted[:-1])))
    return np.asarray(passed * wanted)


def live(viewer: Viewer, movies: Movies, until: date, rng: np.random.Generator) -> Ratings:
    """All that this viewer rated before the day `until` began (UTC)."""
    end = int(datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp())
    start = end - int(rng.integers(SHORTEST_DAYS * DAY, LONGEST_DAYS * DAY))
    suits = taste(viewer, movies)
    rows = rng.permutation(picked(viewer, movies, suits, datetime.fromtimestamp(start, UTC).year, rng))
    times = start + np.sort(rng.choice(end - start, size=len(rows), replace=False, shuffle=False))
    return Ratings(
        movies.listing.movie_ids[rows], stars(viewer, liked(viewer, movies, suits)[rows], rng), times
    )
