"""A platform and its viewers, day after day: what is served, what becomes of it, and what is learned."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import numpy as np

from simulator.choice import chosen_alone, taken
from simulator.movies import Floats, Rows
from simulator.truth import K, judge
from simulator.viewers import Ratings, liking
from simulator.weeks.audience import Audience, Visit
from simulator.weeks.diary import Diary, Night, Page
from simulator.weeks.platform import Platform, Rated
from simulator.weeks.programme import Programme

Learns = Literal["daily", "once", "never"]
ALONE = 0.5  # chance that who takes nothing from the list chooses by herself
MARKED = 0.7  # chance that what was taken is rated; of the rest the platform hears that it was watched


@dataclass(frozen=True, slots=True)
class Plan:
    opening: date
    days: int
    learns: Learns
    every: int  # days from one learning to the next
    named: int  # titles that a viewer has rated when the platform opens, or when she joins

    def learns_on(self, day: int, has_learned: bool) -> bool:
        """In the night after it; that before the opening counts as one."""
        if self.learns == "never" or (self.learns == "once" and has_learned):
            return False
        return (day + 1) % self.every == 0


@dataclass
class Evening:
    """What a day leaves for the night: ratings that went through the API, and what was watched without it."""

    told: int = 0
    alone: dict[int, list[Rated]] = field(default_factory=dict)  # by viewer

    @property
    def ratings(self) -> int:
        return self.told + sum(map(len, self.alone.values()))


class World:
    def __init__(self, platform: Platform, audience: Audience, programme: Programme, plan: Plan) -> None:
        self._platform, self._audience, self._programme, self._plan = platform, audience, programme, plan
        self._seen: dict[int, set[int]] = {}
        self._has_learned = False

    def live(self, tell: Callable[[Night], None] = lambda _: None) -> Diary:
        diary = Diary(len(self._audience.movies))
        self._platform.sign_in()
        diary.nights.append(self._night(-1, self._before()))
        for day in range(self._plan.days):
            tell(diary.nights[-1])
            diary.nights.append(self._night(day, self._traffic(day, diary.pages)))
        tell(diary.nights[-1])
        return diary

    def _before(self) -> Evening:
        """What viewers rated before the opening."""
        alone = {number: self._past(number) for number in range(1, self._audience.viewers + 1)}
        for number, rated in alone.items():
            self._seen[number] = {one.row for one in rated}
        return Evening(alone=alone)

    def _past(self, number: int) -> list[Rated]:
        """What she names when she comes: the newest that the platform has."""
        past = self._audience.past(number)
        rows = self._programme.rows(past.movie_ids)
        known = np.flatnonzero(np.isin(rows, self._programme.missing(0), invert=True))[-self._plan.named :]
        parts = (rows[known], past.stars[known], past.times[known])
        return [Rated(*one) for one in zip(*(part.tolist() for part in parts), strict=True)]

    def _night(self, day: int, evening: Evening) -> Night:
        on, files = self._plan.opening + timedelta(days=day), self._programme.file(day + 1)
        rated = {number: self._ratings(alone) for number, alone in sorted(evening.alone.items())}
        self._platform.take_in(on, files, rated)
        learned = self._platform.learn(on) if self._plan.learns_on(day, self._has_learned) else None
        self._has_learned |= learned is True
        return Night(day, evening.ratings, learned)

    def _ratings(self, rated: list[Rated]) -> Ratings:
        rows = np.array([one.row for one in rated], np.int64)
        stars = np.array([one.stars for one in rated], np.float64)
        return Ratings(
            self._programme.movie_ids(rows), stars, np.array([one.moment for one in rated], np.int64)
        )

    def _traffic(self, day: int, pages: list[Page]) -> Evening:
        self._platform.sign_in()
        self._platform.know(self._programme.titles(day))
        evening, missing = Evening(), self._programme.missing(day)
        for visit in self._audience.visits(day):
            pages.append(self._visited(day, visit, missing, evening))
        return evening

    def _visited(self, day: int, visit: Visit, missing: Rows, evening: Evening) -> Page:
        """The list is asked for; of it something is taken, or something else is watched, or nothing."""
        news = self._past(visit.number) if visit.first else []
        seen = self._seen.setdefault(visit.number, {one.row for one in news})
        answer = self._platform.ask(visit.number, K, news)
        pleases = liking(visit.viewer, self._audience.movies)
        closed = np.union1d(np.fromiter(seen, np.int64), missing)
        row = self._watched(visit, pleases, answer.rows, closed, evening)
        return Page(
            day=day,
            rows=answer.rows,
            version=answer.version or "",
            newcomer=visit.number > self._audience.viewers,
            judged=judge(pleases, closed, answer.rows),
            pleasures=() if row is None else (float(pleases[row]),),
        )

    def _watched(
        self, visit: Visit, pleases: Floats, shown: list[int], closed: Rows, evening: Evening
    ) -> int | None:
        """What was taken from the list."""
        takes, marks, looks_on = visit.rng.random(3)
        if (row := taken(pleases, shown, closed, takes)) is not None:
            stars = self._audience.stars(visit, row) if marks < MARKED else None
            self._platform.tell(visit.number, Rated(row, stars, visit.moment))
            self._seen[visit.number].add(row)
            evening.told += 1
        elif looks_on < ALONE:
            self._watched_alone(visit, closed, evening)
        return row

    def _watched_alone(self, visit: Visit, closed: Rows, evening: Evening) -> None:
        row = chosen_alone(visit.viewer, self._audience.movies, closed, visit.rng)
        if row is not None:
            self._seen[visit.number].add(row)
            rated = Rated(row, self._audience.stars(visit, row), visit.moment)
            evening.alone.setdefault(visit.number, []).append(rated)
