"""The nine steps from nothing to a first recommendation. Each may run again: what is done is skipped."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError

from recommender.errors import Away
from recommender.local import running, verbs
from recommender.local.by_hand import DATABASE
from recommender.local.closing import closing_text
from recommender.local.demo import Demo
from recommender.local.done import Done, database_id, digest
from recommender.local.places import LocalSettings, Places
from recommender.local.ports import HOST
from recommender.local.postgres import Server
from recommender.local.process import start_child
from recommender.local.report import Report
from recommender.local.secrets import read_or_make, write_private
from recommender.local.service import Service
from recommender.local.urls import PerRole, role_urls
from recommender.roles import ROLES, make_roles

Child = subprocess.Popen[bytes]
HISTORY = ("--viewers", "600", "--seed", "7", "--until", "2026-01-01")
VIEWERS = ("viewers", "--no-password", "--name", "Simulated viewers", "--email", "viewers@example.org")


class Steps:
    def __init__(self, settings: LocalSettings, places: Places, report: Report) -> None:
        self._places = places
        self._report = report
        self._port = settings.marquee_port
        self._done = Done(places.done)
        self._secrets = read_or_make(places.secrets)
        self._given_url = settings.database_url
        self._demo = Demo(self.address, self._secrets["demo"])
        self.services: list[Service] = []
        self._urls: PerRole[str]
        self._database_id = ""

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self._port}"

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("find Postgres" if self._given_url else "start Postgres", self._open_database),
            ("make the roles", self._make_roles),
            ("migrate the schema", self._migrate),
            ("load the starter catalogue", self._load_catalogue),
            ("simulate viewers' histories", self._simulate),
            ("load the histories", self._load_histories),
            ("train and publish a model", self._train),
            ("start the API", self._start_api),
            ("register the demo client", self._register),
        ]

    def closing(self) -> str:
        """With one recommendation, got from the API just now."""
        return closing_text(
            self.address, self._addresses(), self._places.demo_password, self._demo.recommend()
        )

    def stop(self) -> None:
        self._demo.close()
        for service in reversed(self.services):
            service.stop()

    def _open_database(self) -> None:
        url = self._given_url or self._start_postgres()
        self._urls = role_urls(url, self._secrets)
        self._report.note(f"at {make_url(url).host}:{make_url(url).port or 5432}")

    def _start_postgres(self) -> str:
        server = Server(self._places.postgres, self._secrets["postgres"], self._places.fresh_log("postgres"))
        self._start("Postgres", server.launch, signal.SIGINT)
        server.wait_until_ready()
        server.make_database(DATABASE)
        return server.url(DATABASE)

    def _start(
        self, name: str, launch: Callable[[], Child], ends_by: signal.Signals = signal.SIGTERM
    ) -> Child:
        """From here on it is watched, and stopped with the rest."""
        service = Service(name, launch, partial(running.record, self._places.state), ends_by)
        self.services.append(service)
        return service.start()

    def _make_roles(self) -> None:
        admin = create_engine(self._urls.admin)
        try:
            make_roles(admin, {role: self._secrets[role] for role in ROLES})
            self._database_id = database_id(admin)
        except OperationalError as error:
            raise Away(f"The database does not answer: {str(error.orig).splitlines()[0]}") from error
        finally:
            admin.dispose()

    def _migrate(self) -> None:
        self._verb("migrate", url=self._urls.owner)
        self._verb("tidy")

    def _load_catalogue(self) -> None:
        starter = self._places.starter
        key = f"{digest(starter / 'movies.csv')}@{self._database_id}"
        self._once("catalogue", key, partial(self._verb, "import", starter, "--source", "starter"))

    def _simulate(self) -> None:
        if not self._places.simulated.exists():
            self._done.forget("simulated")
        key = f"{digest(self._places.starter / 'movies.csv')} {' '.join(HISTORY)}"
        self._once("simulated", key, self._write_histories)

    def _write_histories(self) -> None:
        movies = self._places.starter / "movies.csv"
        program = [*verbs.command("marquee-simulate"), "history", *HISTORY]
        self._run("simulate", [*program, "--movies", movies, "--out", self._places.simulated], {})

    def _load_histories(self) -> None:
        self._once("histories", self._histories_key(), self._import_histories)

    def _histories_key(self) -> str:
        return f"{digest(*sorted(self._places.simulated.glob('*.csv')))}@{self._database_id}"

    def _import_histories(self) -> None:
        self._verb("clients", "add", *VIEWERS, url=self._urls.owner)
        self._verb("import", self._places.simulated, "--client", VIEWERS[0], "--source", "starter")

    def _train(self) -> None:
        """Once: a champion of what came in later is made by `marquee train`, when somebody asks for it."""
        if not self._places.models.exists():
            self._done.forget("model")
        self._once("model", self._histories_key(), partial(self._verb, "train"))

    def _start_api(self) -> None:
        child = self._start("The API", self._launch_api)
        self._demo.wait_until_ready(child, self._places.log("api"))
        self._report.note(f"at {self.address}")

    def _launch_api(self) -> Child:
        env = self._environment(self._urls.api) | {
            "HOST": HOST,
            "PORT": str(self._port),
            "JWT_KEYS": self._secrets["jwt_keys"],
            "REGISTRATION": "open",
        }
        with self._places.fresh_log("api").open("ab") as log:
            return start_child([sys.executable, "-m", "api"], env=env, cwd=self._places.project, output=log)

    def _register(self) -> None:
        write_private(self._places.demo_password, self._secrets["demo"])
        if not self._demo.register():
            self._report.note("registered before")
        self._demo.sign_in()

    def _once(self, step: str, key: str, work: Callable[[], None]) -> None:
        if not self._done.once(step, key, work):
            self._report.note("done before")

    def _verb(self, *words: str | Path, url: str | None = None) -> None:
        """A verb that a person could run by hand; as the pipeline unless another role is needed."""
        program: list[str | Path] = [*verbs.command("marquee"), *words]
        self._run(str(words[0]), program, self._environment(url or self._urls.pipeline))

    def _run(self, log: str, program: Sequence[str | Path], env: Mapping[str, str]) -> None:
        verbs.run(
            program,
            env={**os.environ, **env},
            cwd=self._places.project,
            log=self._places.fresh_log(log),
            show=self._report.line,
        )

    def _environment(self, url: str) -> dict[str, str]:
        ours = {"MODELS_URL": str(self._places.models), "TOMBSTONE_KEY": self._secrets["tombstone_key"]}
        return {**os.environ, **ours, "DATABASE_URL": url}

    def _addresses(self) -> dict[str, str]:
        database = make_url(self._urls.admin).set(password=None)
        return {
            "API docs": f"{self.address}/docs",
            "Postgres": f"{database.host}:{database.port or 5432}, database {database.database}, "
            f"user {database.username}; passwords in {self._places.secrets}",
            "Data": str(self._places.state),
            "Logs": str(self._places.state / "log"),
        }
