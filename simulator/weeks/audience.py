"""Who comes on which day and in what mood: chance depends on seed, viewer and day, never on what is served.

So in two worlds of one seed the same viewers come at the same times in the same moods.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from simulator.history import life
from simulator.hours import draw_second
from simulator.households import Household, Population
from simulator.movies import Movies
from simulator.viewers import Ratings, Viewer, rate

HABIT = 80  # with so many ratings a year a viewer comes every other day
_VISIT, _OPINION = 11, 12  # streams of chance


@dataclass(frozen=True, slots=True)
class Visit:
    number: int
    moment: int  # unix seconds
    viewer: Viewer
    first: bool
    rng: np.random.Generator


class Audience:
    """Viewers are numbered from 1: first those of the opening, then day by day who joins."""

    def __init__(self, movies: Movies, seed: int, opening: date, viewers: int, joining: float) -> None:
        """`joining` is how many join each day."""
        self.movies, self.opening, self.viewers = movies, opening, viewers
        self._seed, self._joining = seed, joining
        self._people, self._homes = Population(movies, seed), dict[int, Household]()

    def past(self, number: int) -> Ratings:
        """What was rated before the opening."""
        return life(self.movies, number, self._seed, self.opening)

    def visits(self, day: int) -> list[Visit]:
        """In the order of their moments; the opening is day 0."""
        found = [self._visit(number, day) for number in range(1, self._there(day) + 1)]
        return sorted((visit for visit in found if visit), key=lambda visit: (visit.moment, visit.number))

    def _there(self, day: int) -> int:
        return self.viewers + int(self._joining * (day + 1))

    def _visit(self, number: int, day: int) -> Visit | None:
        rng = np.random.default_rng([self._seed, number, _VISIT, day])
        home, first = self._home(number), number > self._there(day - 1)
        activity = home.viewers[0].activity
        if not first and rng.random() >= activity / (activity + HABIT):
            return None
        moment = midnight(self.opening + timedelta(days=day)) + draw_second(rng)
        return Visit(number, moment, home.who(moment, weeks=day / 7), first, rng)

    def _home(self, number: int) -> Household:
        if number not in self._homes:
            self._homes[number] = self._people.user(number)
        return self._homes[number]

    def stars(self, visit: Visit, row: int) -> float:
        """The same in each world in which she comes to watch it."""
        rng = np.random.default_rng([self._seed, visit.number, _OPINION, row])
        return float(rate(visit.viewer, self.movies, np.array([row]), rng)[0])


def midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
