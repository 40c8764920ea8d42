"""Writes many days on which the same viewers live on: they join, rate, come back and stop."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from simulator.days import MANIFEST, PLANTED, Crowd, seal, tell_faults
from simulator.errors import SimulatorError
from simulator.fashion import draw_fashion
from simulator.faults import Faults
from simulator.history import HEADER, Written, movies_of, replacing
from simulator.households import Population
from simulator.lives import World, lived
from simulator.movies import Movies
from simulator.spool import Spool, lines

BLOCK = 500  # users whose ratings are in memory together
SPOOL = ".days"
SENDERS = 0.5  # of the faults: from users whose sender spoils every row
_FAULTS = 7  # a stream of chance; see households.py

Tell = Callable[[int], object]  # so many users more are done


@dataclass(frozen=True, slots=True)
class Period:
    first: date
    last: date
    opening: date  # of the platform; lives begin here, so a later period goes on with the same lives
    crowds: Sequence[Crowd]
    seed: int
    source: str
    scale: float = 1.0
    shift: float = 0.0
    faults: float = 0.0
    households: float = 0.0
    bots: float = 0.0

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @property
    def blocks(self) -> list[tuple[Crowd, range]]:
        return [
            (crowd, crowd.user_ids[start : start + BLOCK])
            for crowd in self.crowds
            for start in range(0, crowd.viewers, BLOCK)
        ]

    def plan(self, movies: bytes) -> dict[str, Any]:
        """All that decides the rows of the spool."""
        return {
            "movies": hashlib.sha256(movies).hexdigest(),
            "opening": self.opening.isoformat(),
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "crowds": [[crowd.client, crowd.first, crowd.viewers] for crowd in self.crowds],
            "seed": self.seed,
            "scale": self.scale,
            "shift": self.shift,
            "households": self.households,
            "bots": self.bots,
            "block": BLOCK,
        }


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    written: Sequence[Written]  # per client; empty when the day was sealed before


def write_period(movies_file: Path, folder: Path, period: Period, users: Tell) -> Iterator[Day]:
    """Into ``folder``/DAY, each sealed in turn. Sealed days are left alone, so a broken run can go on.

    The same arguments write the same bytes, in however many runs.
    """
    try:
        data = movies_file.read_bytes()
        folder.mkdir(parents=True, exist_ok=True)
        missing = [day for day in period.days if not (folder / day.isoformat() / MANIFEST).exists()]
        if missing:
            spool = Spool(folder / SPOOL, period.plan(data))
            live_on(world_of(period, movies_of(data, movies_file.name, period.seed)), period, spool, users)
        for day in period.days:
            yield Day(
                day, write_one(folder / day.isoformat(), day, period, spool, data) if day in missing else ()
            )
        if missing:
            spool.remove()
    except OSError as error:
        raise SimulatorError(f"{error.filename or folder}: {error.strerror}.") from error


def world_of(period: Period, movies: Movies) -> World:
    people = Population(movies, period.seed, period.households, period.bots)
    fashion = draw_fashion(movies, np.random.default_rng([period.seed, 0, 1])) if period.shift else None
    return World(people, period.opening, period.scale, fashion, period.shift)


def live_on(world: World, period: Period, spool: Spool, users: Tell) -> None:
    skipped, until = (period.first - period.opening).days, period.last + timedelta(days=1)
    for number, (_, user_ids) in enumerate(period.blocks):
        if not spool.holds(number):
            spool.keep(
                number,
                (
                    (day, user_id, ratings)
                    for user_id in user_ids
                    for day, ratings in lived(world, user_id, until)
                    if day >= skipped
                ),
            )
        users(len(user_ids))


def write_one(place: Path, day: date, period: Period, spool: Spool, movies: bytes) -> list[Written]:
    place.mkdir(exist_ok=True)
    (place / PLANTED).unlink(missing_ok=True)
    with replacing(place / "movies.csv") as file:
        file.write(movies)
    written = [write_client(place, day, crowd, period, spool) for crowd in period.crowds]
    if period.faults:
        tell_faults(place, period.faults, period.crowds, written)
    seal(place, day, period.source)
    return written


def write_client(place: Path, day: date, crowd: Crowd, period: Period, spool: Spool) -> Written:
    number, faults = (day - period.opening).days, Faults(period.faults, period.seed, SENDERS)
    rows, stars = 0, 0.0
    (place / crowd.client).mkdir(exist_ok=True)
    with replacing(place / crowd.client / "ratings.csv") as file:
        file.write(HEADER)
        for block, (whose, user_ids) in enumerate(period.blocks):
            if whose == crowd:
                part = spool.of_day(block, number)
                file.writelines(faults.spoiled(lines(part), part["user"], user_ids.start, _FAULTS, number))
                rows, stars = rows + len(part), stars + float(part["stars"].sum())
    return Written(crowd.viewers, rows, stars / max(rows, 1), dict(faults.planted))
