"""One world from its opening to its last day, and the record of it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from simulator.account import opened
from simulator.weeks.audience import Audience
from simulator.weeks.diary import Night
from simulator.weeks.platform import Platform, Verb
from simulator.weeks.programme import Programme
from simulator.weeks.world import Learns, Plan, World

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    weeks: int
    viewers: int  # at the opening
    joining: float  # viewers a day
    named: int  # titles that each has rated when she comes
    new_titles: float  # share of the titles that joins after the opening
    learns: Learns
    every: int  # days
    opening: date
    seed: int

    @property
    def days(self) -> int:
        return 7 * self.weeks


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform is, and how it is had."""

    url: str
    username: str
    password: str
    data: Path
    verb: Verb


def live(movies_file: Path, options: Options, place: Place, tell: Callable[[Night], None]) -> Record:
    data = movies_file.read_bytes()
    programme = Programme(data, movies_file.name, options.seed, options.days, options.new_titles)
    movies = programme.movies
    audience = Audience(movies, options.seed, options.opening, options.viewers, options.joining)
    plan = Plan(options.opening, options.days, options.learns, options.every, options.named)
    with opened(place.url) as account:
        platform = Platform(account, place.username, place.password, place.data, place.verb)
        diary = World(platform, audience, programme, plan).live(tell)
    about = asdict(options) | {"opening": str(options.opening), "titles": len(movies)}
    return {"about": about, **diary.record()}
