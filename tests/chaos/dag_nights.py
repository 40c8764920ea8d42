"""The nights as Airflow runs them: its four processes, which a watch starts again when they are killed."""

import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from recommender.errors import Failed
from recommender.local.airflow import ADMIN, API, PROCESSES, Airflow
from recommender.local.dag_runs import DagRuns
from recommender.local.first_day import DAGS, INJECT, TRAIN
from recommender.local.places import Places
from recommender.local.running import end_session
from recommender.local.secrets import read_or_make
from recommender.local.service import Service, Watch
from tests.chaos.ground import PROJECT, Ground, processes_of
from tests.chaos.night import OPENING, Nights, Ran
from tests.ports import free_port

PATIENCE_S, AGAIN_S, LOOK_S = 900.0, 1.0, 0.5
TRIES = 15  # runs of a DAG for one day
# As `marquee local run --ends-with-parent`: no verb outlives the task that started it.
VERB = """
import ctypes, os, sys
parent = os.getppid()
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != parent: sys.exit(1)
from recommender.cli import main
main()
"""


class Own(Airflow):
    """Its steps are this tree's verbs, on this ground."""

    def __init__(self, places: Places, port: int, secrets: dict[str, str], ground: Ground) -> None:
        super().__init__(places, port, secrets)
        settings = ground.settings(ground.urls.pipeline, ground.folder / "verbs")
        told = [f"{name}={value}" for name, value in settings.items()]
        self._verb = shlex.join(["env", *told, sys.executable, "-c", VERB])

    def environment(self) -> dict[str, str]:
        return super().environment() | {"MARQUEE_COMMAND": self._verb, "MARQUEE_RETRY_S": "2"}


@dataclass
class DagNights(Nights):
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    services: list[Service] = field(default_factory=list)
    _runs: DagRuns | None = None

    @property
    def runs(self) -> DagRuns:
        assert self._runs, "Airflow is open"
        return self._runs

    @contextmanager
    def open(self, environment: Path) -> Iterator[None]:
        """Airflow as `./setup.sh local` starts it."""
        places = Places(self.ground.folder / "airflow")
        places.state.mkdir(parents=True)
        places.airflow_environment.symlink_to(environment)
        places.dags.symlink_to(PROJECT / "dags")
        secrets = read_or_make(places.secrets)
        airflow = Own(places, free_port(), secrets, self.ground)
        airflow.prepare(self.ground.server.give("airflow", secrets["airflow"]))
        migrate = airflow.command("db", "migrate")
        subprocess.run(migrate, env=airflow.environment(), check=True, capture_output=True)
        self._runs = DagRuns(airflow.address, ADMIN, secrets["airflow_admin"], lambda: None)
        stop = threading.Event()
        watch = threading.Thread(target=self._watch, args=(stop,))
        try:
            for name in PROCESSES:
                self.services.append(Service(name, partial(airflow.launch, name), lambda *_: None))
                self.services[-1].start()
                if name == API:
                    self.runs.wait_for_api()
            self.runs.wait_until_healthy(DAGS)
            watch.start()
            yield
        finally:
            stop.set()
            if watch.is_alive():
                watch.join()
            for service in reversed(self.services):
                service.stop()
            self.runs.close()

    def _watch(self, stop: threading.Event) -> None:
        """In a thread that lives for as long as what it starts."""
        watches = [Watch(service, self.tell) for service in self.services]
        while not stop.wait(LOOK_S):
            for watch in watches:
                watch.look(time.monotonic())

    def night(self, stop: threading.Event) -> None:
        day = OPENING + timedelta(self.days)
        sent = self._send(day, stop)
        with self._at_work:
            injected = self._until_success(INJECT, day, stop)
            if injected is None:
                return
            self.ratings += sent
            self.days += 1
        with self._at_work:
            self._follow_training(day, injected, stop)

    def _until_success(self, dag: str, day: date, stop: threading.Event) -> str | None:
        for _ in range(TRIES):
            if stop.is_set():
                return None
            began = time.monotonic()
            run = self._patiently(lambda: self.runs.trigger(dag, {"day": str(day)}))
            if run and self._ended_well(dag, run, began):
                return run
        self.gave_up.append(f"{dag} of {day} does not succeed")
        return None

    def _follow_training(self, day: date, injected: str, stop: threading.Event) -> None:
        """The asset starts it; when it fails, it is asked for again."""
        began = time.monotonic()
        run = self._patiently(lambda: self.runs.started_by(TRAIN, injected))
        if not (run and self._ended_well(TRAIN, run, began)):
            self._until_success(TRAIN, day, stop)

    def _ended_well(self, dag: str, run: str, began: float) -> bool:
        failed = self._patiently(lambda: self._failure(dag, run))
        self.ran.append(Ran(began, time.monotonic(), dag, 1 if failed else 0, failed))
        return not failed

    def _failure(self, dag: str, run: str) -> str:
        """Empty when the run succeeds; `follow` raises for a run that failed and for an API that is away."""
        try:
            self.runs.follow(dag, run, lambda _: None)
        except Failed as error:
            if str(error).startswith("A task of"):
                return str(error)
            raise
        return ""

    def _patiently(self, ask: Callable[[], str]) -> str:
        """Airflow, too, is away now and then."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ask()
            except (Failed, KeyError) as error:
                if time.monotonic() > deadline:
                    self.gave_up.append(str(error))
                    return ""
                time.sleep(AGAIN_S)

    def kill(self) -> str | None:
        """A verb, wherever Airflow runs it."""
        for pid, words in processes_of(self.ground.folder):
            if VERB.strip() in words:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    return words.partition(VERB)[2].split()[2]  # after `--record -`
        return None

    def kill_service(self) -> str:
        service = self.chance.choice(self.services)
        if service.child:
            end_session(service.child.pid)
        return service.name
