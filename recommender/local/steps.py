"""The steps from nothing to a first recommendation. Each may run again: what is done is skipped."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError

from recommender.errors import Away
from recommender.local import verbs
from recommender.local.by_hand import DATABASE, stores
from recommender.local.closing import closing_text
from recommender.local.demo import Demo
from recommender.local.done import database_id, digest
from recommender.local.first_day import ByDags, ByVerbs
from recommender.local.monitoring import Monitoring
from recommender.local.places import LocalSettings, Parts, Places
from recommender.local.ports import HOST
from recommender.local.postgres import Server
from recommender.local.process import start_child
from recommender.local.report import Report
from recommender.local.secrets import write_private
from recommender.local.service import Service
from recommender.local.start import POSTGRES, Start
from recommender.local.urls import PerRole, role_urls
from recommender.roles import ANALYST, ROLES, make_roles

DAY, CLIENT = "2026-01-31", "viewers"
SIMULATED = ("--day", DAY, "--client", CLIENT, "--source", "starter", "--viewers", "600", "--seed", "7")
REGISTERED = (CLIENT, "--no-password", "--name", "Simulated viewers", "--email", "viewers@example.org")


class Steps:
    def __init__(self, settings: LocalSettings, places: Places, report: Report, *, parts: Parts) -> None:
        self._places = places
        self._report = report
        self._start = Start(places, report)
        self._port = settings.marquee_port
        self._secrets = self._start.secrets
        self._given_url = settings.database_url
        self._demo = Demo(self.address, self._secrets["demo"])
        server = Server(places.postgres, self._secrets["postgres"], places.fresh_log("postgres"))
        self._server = server
        self._day = (
            ByDags(self._start, self._embedded, settings.airflow_port, DAY)
            if parts.airflow
            else ByVerbs(self._verb, DAY)
        )
        ports = settings.marquee_port, settings.prometheus_port, settings.alertmanager_port
        watched = Monitoring(places.state, places.rules, places.fresh_log, *ports)
        self._monitoring = watched if parts.monitoring else None
        self._urls: PerRole[str]
        self._database_id = ""

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def services(self) -> list[Service]:
        return self._start.services

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("find Postgres" if self._given_url else "start Postgres", self._open_database),
            ("make the roles", self._make_roles),
            ("migrate the schema", self._migrate),
            ("simulate a day of viewers", self._simulate),
            ("start the API", self._start_api),
            *self._watching(),
            *self._day.preparation(),
            (f"{self._day.by} inject-data for {DAY}", self._inject),
            (f"{self._day.by} train-model", self._train),
            ("register the demo client", self._register),
        ]

    def closing(self) -> str:
        """With one recommendation, got from the API just now."""
        return closing_text(
            self.address, self._addresses(), self._places.demo_password, self._demo.recommend()
        )

    def stop(self) -> None:
        self._demo.close()
        self._day.close()
        self._start.stop()

    def _open_database(self) -> None:
        url = self._given_url or self._embedded().url(DATABASE)
        self._remember(self._given_url)
        self._urls = role_urls(url, self._secrets)
        self._report.note(f"at {make_url(url).host}:{make_url(url).port or 5432}")

    def _embedded(self) -> Server:
        """Airflow's own database is always in it."""
        if not self._server.running:
            self._start.service(POSTGRES, self._server.launch, ends_by=signal.SIGINT)
            self._server.wait_until_ready()
            self._server.make_database(DATABASE)
        return self._server

    def _remember(self, url: str | None) -> None:
        """For the verbs, which a DAG or a person runs later."""
        if url:
            write_private(self._places.database_url, url)
        else:
            self._places.database_url.unlink(missing_ok=True)

    def _make_roles(self) -> None:
        admin = create_engine(self._urls.admin)
        try:
            make_roles(admin, {role: self._secrets[role] for role in (*ROLES, ANALYST)})
            self._database_id = database_id(admin)
        except OperationalError as error:
            raise Away(f"The database does not answer: {str(error.orig).splitlines()[0]}") from error
        finally:
            admin.dispose()

    def _migrate(self) -> None:
        self._verb("migrate", url=self._urls.owner)
        self._verb("tidy")
        self._verb("clients", "add", *REGISTERED, url=self._urls.owner)

    def _simulate(self) -> None:
        if not self._manifest.exists():
            self._start.done.forget("simulated")
        key = f"{digest(self._places.starter / 'movies.csv')} {' '.join(SIMULATED)}"
        self._start.once("simulated", key, self._write_day)

    @property
    def _manifest(self) -> Path:
        return self._places.data / "simulation_data" / DAY / "manifest.json"

    def _write_day(self) -> None:
        files = ("--movies", self._places.starter / "movies.csv", "--out", self._manifest.parent.parent)
        self._start.run(
            "simulate", [*verbs.command("marquee-simulate"), "day", *SIMULATED, *files], os.environ
        )

    def _inject(self) -> None:
        """Again, unless it was learned from: loading the same day twice changes nothing."""
        if not self._places.models.exists():
            self._start.done.forget("learned")
        if self._start.done.holds("learned", self._first_day):
            self._report.note("done before")
        else:
            self._day.inject()

    def _train(self) -> None:
        """Once: later days are learned from when their files come."""
        self._start.once("learned", self._first_day, self._learn)

    @property
    def _first_day(self) -> str:
        return f"{digest(self._manifest)}@{self._database_id}"

    def _learn(self) -> None:
        if self._day.train():
            self._demo.wait_for_model()
        else:
            self._report.note("nothing was published: the first step that was skipped says why")

    def _start_api(self) -> None:
        child = self._start.service("The API", self._launch_api)
        self._demo.wait_until_alive(child, self._places.log("api"))
        self._report.note(f"at {self.address}")

    def _launch_api(self) -> "subprocess.Popen[bytes]":
        env = self._environment(self._urls.api) | {
            "HOST": HOST,
            "PORT": str(self._port),
            "JWT_KEYS": self._secrets["jwt_keys"],
            "REGISTRATION": "open",
        }
        with self._places.fresh_log("api").open("ab") as log:
            return start_child([sys.executable, "-m", "api"], env=env, cwd=self._places.project, output=log)

    def _watching(self) -> list[tuple[str, Callable[[], None]]]:
        if self._monitoring is None:
            return []
        return [("start Prometheus and Alertmanager", partial(self._watch, self._monitoring))]

    def _watch(self, monitoring: Monitoring) -> None:
        monitoring.prepare()
        for name, launch in monitoring.services():
            self._start.service(name, launch)
        monitoring.wait_until_ready(self._start.check)
        self._report.note(f"at {monitoring.address} and {monitoring.alerts_address}")

    def _register(self) -> None:
        write_private(self._places.demo_password, self._secrets["demo"])
        if not self._demo.register():
            self._report.note("registered before")
        self._demo.sign_in()

    def _verb(self, *words: str, url: str | None = None) -> bool:
        """A verb that a person could run by hand; as the pipeline unless another role is needed."""
        program = [*verbs.command("marquee"), *words]
        return self._start.run(words[0], program, self._environment(url or self._urls.pipeline))

    def _environment(self, url: str) -> dict[str, str]:
        ours = stores(self._places, self._secrets["tombstone_key"])
        return {**os.environ, **ours, "DATABASE_URL": url}

    def _addresses(self) -> dict[str, str]:
        database = make_url(self._urls.admin).set(password=None)
        return {
            "API docs": f"{self.address}/docs",
            "Ops page": f"{self.address}/ops",
            **self._day.addresses(),
            **(self._monitoring.addresses() if self._monitoring else {}),
            "Postgres": f"{database.host}:{database.port or 5432}, database {database.database}, "
            f"user {database.username}; passwords in {self._places.secrets}",
            "Data": str(self._places.state),
            "Logs": str(self._places.state / "log"),
        }
