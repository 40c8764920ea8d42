"""A platform as one of its clients and its operator have it: an address, a folder for days, and a command."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from simulator.account import Account
from simulator.days import seal
from simulator.errors import SimulatorError
from simulator.history import HEADER, lines, replacing
from simulator.viewers import Ratings

Verb = Callable[..., bool]  # given its words; False when there was nothing to do
SOURCE, INCOMING = "simulation_data", "simulation_data"
NOTHING_TO_DO = 99
WITHIN_S, LOOK_EVERY_S = 60.0, 0.05


def by_command(command: str) -> Verb:
    """Runs `command VERB ...`, like `marquee local run`."""

    def run(*words: str) -> bool:
        program = [*shlex.split(command), *words]
        try:
            done = subprocess.run(program, capture_output=True, text=True, check=False)  # noqa: S603
        except OSError as error:
            raise SimulatorError(f"{command} cannot be run: {error.strerror}.") from error
        if done.returncode not in (0, NOTHING_TO_DO):
            said = (done.stderr or done.stdout).strip().splitlines()
            raise SimulatorError(f"{command} {words[0]} failed: {said[-1] if said else 'without a word'}")
        return done.returncode == 0

    return run


@dataclass(frozen=True, slots=True)
class Answer:
    """A list as rows of the movies."""

    rows: list[int]
    version: str | None
    source: str


class Platform:
    """Movies go by their rows, and users by their numbers, which are their external ids."""

    def __init__(self, account: Account, username: str, password: str, data: Path, verb: Verb) -> None:
        self._account, self._username, self._password = account, username, password
        self._data, self._verb = data, verb
        self._ids: dict[int, int] = {}
        self._rows: dict[int, int] = {}

    def sign_in(self) -> None:
        """Each simulated day, so that no token grows old."""
        self._account.sign_in(self._username, self._password)

    def take_in(self, day: date, movies: bytes, rated: Mapping[int, Ratings]) -> None:
        """A day's files, and the verbs that bring them into the platform."""
        place = self._data / INCOMING / day.isoformat()
        try:
            (place / self._username).mkdir(parents=True, exist_ok=True)
            with replacing(place / "movies.csv") as file:
                file.write(movies)
            with replacing(place / self._username / "ratings.csv") as file:
                file.write(HEADER)
                for number, ratings in rated.items():
                    file.writelines(lines(number, ratings))
            seal(place, day, SOURCE)
        except OSError as error:
            raise SimulatorError(f"{error.filename or place}: {error.strerror}.") from error
        for name in ("fetch", "process", "load"):
            self._verb(name, "--day", str(day))

    def learn(self, day: date) -> bool:
        """Whether another model serves now; what the gate refuses does not."""
        before = self._account.model()
        if not self._verb("train", "--day", str(day)):
            return False
        self._verb("evaluate")
        if not self._verb("publish"):
            return False
        self._verb("refold")
        self._wait(lambda: self._account.model() != before, "the new model does not serve")
        return True

    def know(self, titles: Mapping[int, str]) -> None:
        """Finds these rows' titles in the catalogue, as soon as all are there."""
        if titles.keys() <= self._ids.keys():
            return
        known: dict[str, int] = {}

        def all_there() -> bool:
            known.update((titled(movie), movie["movie_id"]) for movie in self._account.catalogue())
            return known.keys() >= set(titles.values())

        self._wait(all_there, "not all of the titles are in the catalogue")
        self._ids = {row: known[title] for row, title in titles.items()}
        self._rows = {movie_id: row for row, movie_id in self._ids.items()}

    def _wait(self, there: Callable[[], bool], trouble: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not there():
            if time.monotonic() > deadline:
                raise SimulatorError(f"After {WITHIN_S:.0f} s {trouble}.")
            time.sleep(LOOK_EVERY_S)

    def ask(self, number: int, k: int, seen: Iterable["Rated"]) -> Answer:
        """`seen` is news to the platform; the list goes by it and by all that it knew."""
        history = [self._item(rated) for rated in seen]
        told = self._account.recommend(
            {"external_id": str(number), "k": k, "explain": False, "history": history}
        )
        shown = [movie["movie_id"] for movie in told["recommendations"]]
        return Answer(
            [self._rows[id_] for id_ in shown if id_ in self._rows], told["model_version"], told["source"]
        )

    def tell(self, number: int, rated: "Rated") -> None:
        self._account.rate([{"external_id": str(number), **self._item(rated)}])

    def _item(self, rated: "Rated") -> dict[str, Any]:
        moment = datetime.fromtimestamp(rated.moment, UTC).isoformat()
        item: dict[str, Any] = {"movie_id": self._ids[rated.row], "rated_at": moment}
        return item if rated.stars is None else item | {"rating": rated.stars}


@dataclass(frozen=True, slots=True)
class Rated:
    row: int
    stars: float | None  # None: it was watched and nothing was said
    moment: int


def titled(movie: Mapping[str, Any]) -> str:
    return f"{movie['title']} ({movie['year']})" if movie.get("year") else str(movie["title"])
