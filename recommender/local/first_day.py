"""The first day goes the way of every later one: through the DAGs, or by their verbs without Airflow."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from sqlalchemy import create_engine

from recommender.local.airflow import ADMIN, API, PROCESSES, Airflow
from recommender.local.dag_runs import DagRuns
from recommender.local.done import database_id, digest
from recommender.local.postgres import Server
from recommender.local.start import Start

INJECT, TRAIN = DAGS = ("inject-data", "train-model")
PATIENCE_S = 5.0  # a scheduler would wait for its tasks; they are tried again after the next start
Step = tuple[str, Callable[[], None]]


class Verb(Protocol):
    def __call__(self, *words: str) -> bool:
        """False when there was nothing to do."""
        ...


class ByVerbs:
    by = "run the verbs of"

    def __init__(self, verb: Verb, day: str) -> None:
        self._verb = verb
        self._day = ("--day", day)

    def preparation(self) -> list[Step]:
        return []

    def inject(self) -> None:
        for name in ("fetch", "process", "load"):
            self._verb(name, *self._day)

    def train(self) -> bool:
        """Whether a model was published."""
        self._verb("train", *self._day)
        self._verb("evaluate")
        published = self._verb("publish")
        self._verb("refold")
        self._verb("recommend-all", *self._day)
        self._verb("drift", *self._day)
        return published

    def addresses(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        pass


class ByDags:
    """`train-model` is not triggered: the asset that `inject-data` brings up to date starts it."""

    by = "run the DAG"

    def __init__(self, start: Start, embedded: Callable[[], Server], port: int, day: str) -> None:
        self._start, self._embedded, self._day = start, embedded, day
        self._airflow = Airflow(start.places, port, start.secrets)
        password = start.secrets["airflow_admin"]
        self._runs = DagRuns(self._airflow.address, ADMIN, password, start.check)
        self._injected = ""

    def preparation(self) -> list[Step]:
        return [("start Airflow", self._start_airflow)]

    def _start_airflow(self) -> None:
        url = self._embedded().give("airflow", self._start.secrets["airflow"])
        self._airflow.prepare(url)
        self._start.done.once("airflow", self._version(url), self._migrate)
        for name in PROCESSES:
            self._start.service(name, partial(self._airflow.launch, name), patience_s=PATIENCE_S)
            if name == API:  # a scheduler without it fails its first tasks
                self._runs.wait_for_api()
        self._runs.wait_until_healthy(DAGS)
        self._start.report.note(f"at {self._airflow.address}")

    def _version(self, url: str) -> str:
        engine = create_engine(url)
        try:
            return (
                f"{digest(self._start.places.project / 'requirements' / 'airflow.txt')}@{database_id(engine)}"
            )
        finally:
            engine.dispose()

    def _migrate(self) -> None:
        command = self._airflow.command("db", "migrate")
        self._start.run("airflow-migrate", command, self._airflow.environment(), show=lambda _: None)

    def inject(self) -> None:
        self._injected = self._runs.trigger(INJECT, {"day": self._day})
        self._runs.follow(INJECT, self._injected, self._start.report.line)

    def train(self) -> bool:
        run = self._runs.started_by(TRAIN, self._injected)
        return self._runs.follow(TRAIN, run, self._start.report.line)["publish"] == "success"

    def addresses(self) -> dict[str, str]:
        login = f"user {ADMIN}, password in {self._start.places.airflow_password}"
        return {"Airflow": f"{self._airflow.address}, {login}"}

    def close(self) -> None:
        self._runs.close()
