"""What one user rates from the opening of a platform on: joins, comes back, stops. Tastes drift meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from simulator.fashion import Fashion
from simulator.hours import draw_second
from simulator.households import Household, Population
from simulator.movies import Floats, Rows
from simulator.viewers import DAY, Ratings, Viewer, gumbel, largest, liked, most_seen, pulled, stars, taste

WEEK = 7
FOUNDERS = 0.4  # share of those who are there on the first day; the others join later
JOIN_DAYS, STAY_DAYS = 45.0, 150.0  # means
TOLD = 8.0  # what one who joins rates of what was seen elsewhere, on average
SITTING = 3.0  # ratings on a day when anything is rated, on average, of one who comes seldom
YEAR_DAYS = 365.0
RHYTHM = np.array([0.82, 0.82, 0.86, 0.92, 1.13, 1.32, 1.13])  # Monday to Sunday
FASHION_WEEKS = 4.0  # until tastes have moved as far as they will
_LIFE = 6  # a stream of chance; see households.py


@dataclass(frozen=True, slots=True)
class World:
    """All that the lives of all users share."""

    people: Population
    opening: date
    scale: float = 1.0  # how many times as much everybody rates
    fashion: Fashion | None = None
    shift: float = 0.0

    @property
    def first_second(self) -> int:
        return int(datetime(self.opening.year, self.opening.month, self.opening.day, tzinfo=UTC).timestamp())

    def now(self, home: Household, number: int, week: int) -> Viewer:
        viewer = home.viewer(number, week)
        if self.fashion is None:
            return viewer
        return self.fashion.reach(viewer, self.shift * min((week + 1) / FASHION_WEEKS, 1.0))


@dataclass(frozen=True, slots=True)
class Stay:
    joined: float  # days after the opening
    left: float
    told: int


def draw_stay(rng: np.random.Generator) -> Stay:
    founder, waited = rng.random() < FOUNDERS, rng.exponential(JOIN_DAYS)
    joined = float(np.floor(0.0 if founder else waited))
    return Stay(joined, joined + rng.exponential(STAY_DAYS), int(rng.poisson(TOLD)))


def counts(stay: Stay, a_day: float, first: int, rhythm: Floats, rng: np.random.Generator) -> Rows:
    """Ratings on each day of the week that begins `first` days after the opening."""
    days = first + np.arange(WEEK)
    here = (days >= stay.joined) & (days <= stay.left)
    expected = a_day * rhythm
    comes = 1 - np.exp(-expected / SITTING)
    more = rng.poisson(np.maximum(expected / comes - 1, 0))
    rated = np.where(rng.random(WEEK) < comes, 1 + more, 0)
    return np.asarray(np.where(here, rated, 0) + np.where(days == stay.joined, stay.told, 0), np.int64)


def lived(world: World, user_id: int, until: date) -> Iterator[tuple[int, Ratings]]:
    """What is rated on each day before `until`, which is given by its number from the opening on."""
    rng = np.random.default_rng([world.people.seed, user_id, _LIFE])
    stay, last = draw_stay(rng), (until - world.opening).days
    if stay.joined >= last:
        return
    home = world.people.user(user_id)
    life, rhythm = _Life(world, home, rng), np.roll(RHYTHM, -world.opening.weekday())
    a_day = home.bot.a_day if home.bot else home.viewers[0].activity / YEAR_DAYS
    for first in range(0, last, WEEK):  # whole weeks, so that a later end leaves them as they are
        a_week = counts(stay, a_day * world.scale, first, rhythm, rng)
        if a_week.any():
            yield from (found for found in life.week(first, a_week) if found[0] < last)


class _Life:
    """Remembers what was seen, and how likely each viewer is to meet each movie."""

    def __init__(self, world: World, home: Household, rng: np.random.Generator) -> None:
        self._world, self._home, self._rng = world, home, rng
        self._movies = world.people.movies
        self._met = [gumbel(len(self._movies), rng) for _ in home.viewers]
        self._seen = np.zeros(len(self._movies), bool)

    def week(self, first: int, a_week: Rows) -> Iterator[tuple[int, Ratings]]:
        days = first + np.flatnonzero(a_week)
        starts = np.array([self._start(day) for day in days.tolist()])
        turns = np.array([self._home.turn(start) for start in starts.tolist()])
        found: dict[int, Ratings] = {}
        for number in np.unique(turns).tolist():
            own = np.flatnonzero(turns == number)
            found |= self._sittings(number, first, starts[own], a_week[days[own] - first])
        yield from sorted(found.items())

    def _start(self, day: int) -> int:
        return self._world.first_second + day * DAY + draw_second(self._rng)

    def _sittings(self, number: int, first: int, starts: Rows, sizes: Rows) -> Iterator[tuple[int, Ratings]]:
        rows, given = self._rated(number, first, int(sizes.sum()))
        ends = np.cumsum(sizes)[:-1]
        for start, some, their in zip(starts, np.split(rows, ends), np.split(given, ends), strict=True):
            if len(some):
                day, second = divmod(int(start) - self._world.first_second, DAY)
                times = int(start) - second + self._seconds(second, len(some))
                yield day, Ratings(self._movies.listing.movie_ids[some], their, times)

    def _rated(self, number: int, first: int, count: int) -> tuple[Rows, Floats]:
        bot = self._home.bot
        if bot is not None:
            rows = self._next(bot.keys, first, count)
            return rows, bot.stars(rows)
        viewer = self._world.now(self._home, number, first // WEEK)
        suits = taste(viewer, self._movies)
        rows = self._next(pulled(viewer, self._movies, suits) + self._met[number], first, count)
        return rows, stars(viewer, liked(viewer, self._movies, suits)[rows], self._rng)

    def _next(self, keys: Floats, first: int, count: int) -> Rows:
        """The most wanted of what is out and was not seen."""
        year = (self._world.opening + timedelta(days=first)).year
        keys = np.where(self._seen | (self._movies.listing.years > year), -np.inf, keys)
        rows = largest(keys, min(count, most_seen(self._movies) - int(self._seen.sum())))
        self._seen[rows] = True
        return rows

    def _seconds(self, second: int, count: int) -> Rows:
        """Of the day; 20 seconds to two minutes apart. What would go beyond midnight begins sooner."""
        passed = np.cumsum(self._rng.integers(20, 120, size=count))
        passed = np.asarray(passed * min(1.0, (DAY - 1) / passed[-1]), np.int64)
        return np.asarray(min(second, DAY - 1 - int(passed[-1])) + passed)
