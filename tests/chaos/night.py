"""The verbs of the DAGs, day after day, each a process that is tried again as Airflow does."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from simulator.days import Crowd, write_day
from simulator.errors import SimulatorError
from tests.api.conftest import STARTER
from tests.chaos.ground import PROJECT, Ground

CLIENT, OPENING, VIEWERS, SEED = "viewers", date(2026, 1, 5), 60, 7
PROGRAM = (sys.executable, "-c", "from recommender.cli import main; main()")
NOTHING_TO_DO = 99
TRIES, AGAIN_S, BETWEEN_S = 40, 1.0, 10.0


class Ran(NamedTuple):
    """A verb. `status` is minus the signal when it was killed."""

    began: float
    ended: float
    verb: str
    status: int
    said: str


@dataclass
class Nights:
    ground: Ground
    tell: Callable[[str], None]
    ran: list[Ran] = field(default_factory=list)
    ratings: int = 0  # sent so far, and loaded
    days: int = 0
    gave_up: list[str] = field(default_factory=list)
    _process: "subprocess.Popen[str] | None" = None
    _at_work: threading.Lock = field(default_factory=threading.Lock)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.night(stop)
            stop.wait(BETWEEN_S)

    def night(self, stop: threading.Event) -> None:
        day = OPENING + timedelta(self.days)
        sent = self._send(day, stop)
        for words in (
            *((verb, "--day", str(day)) for verb in ("fetch", "process", "load", "train")),
            ("evaluate",),
            ("publish",),
            ("refold",),
        ):
            if not self._until_done(words, stop):
                return
            self.ratings += sent if words[0] == "load" else 0
            self.days += words[0] == "load"

    def _send(self, day: date, stop: threading.Event) -> int:
        """Each day is another crowd's."""
        crowd = Crowd(CLIENT, 1 + self.days * VIEWERS, VIEWERS)
        folder = self.ground.data / "simulation_data"
        while not stop.is_set():
            began = time.monotonic()
            try:
                (told,) = write_day(STARTER / "movies.csv", folder, day, [crowd], SEED, "starter")
                return told.ratings
            except SimulatorError as error:
                self.ran.append(Ran(began, time.monotonic(), "simulate", 1, error.message))
                stop.wait(AGAIN_S)
        return 0

    def _until_done(self, words: tuple[str, ...], stop: threading.Event) -> bool:
        """What ends well or has nothing to do; whoever ends the run does not wait."""
        for _ in range(TRIES):
            with self._at_work:
                if stop.is_set():
                    return False
                ran = self._verb(words)
            self.ran.append(ran)
            if ran.status in (0, NOTHING_TO_DO):
                return True
            stop.wait(AGAIN_S)
        self.gave_up.append(f"{' '.join(words)}: {ran.said}")
        return False

    def _verb(self, words: tuple[str, ...]) -> Ran:
        began = time.monotonic()
        environment = self.ground.settings(self.ground.urls.pipeline, self.ground.folder / "verbs")
        self._process = subprocess.Popen(
            [*PROGRAM, *words],
            env=environment,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = self._process.communicate()[0].strip()
        return Ran(began, time.monotonic(), words[0], self._process.returncode, said[-600:])

    def kill(self) -> str | None:
        """Which verb it met."""
        process = self._process
        if process is None or process.poll() is not None:
            return None
        words = list(map(str, process.args))  # type: ignore[arg-type]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return words[len(PROGRAM)]

    @contextmanager
    def between_verbs(self) -> Iterator[None]:
        with self._at_work:
            yield
