"""A platform to be harmed: a database, days and models of its own, and an API whose clocks are faster too."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
from click.testing import CliRunner
from sqlalchemy import Connection, text

from recommender.cli import main
from recommender.database import open_engine
from recommender.local.urls import PerRole
from recommender.registry import make_champion, register
from simulator.days import Crowd, seal, write_day
from tests.api.conftest import PASSWORD, SETTINGS, STARTER

CLIENT = "viewers"
WITHIN_S, LOOK_EVERY_S = 60, 0.2
FASTER = """
import api.figures, api.shelf, api.__main__ as api_main
api.figures.EVERY_S /= {pace}; api.shelf.POLL_S /= {pace}; api.shelf.AGAIN_S /= {pace}
api_main.main()
"""
_EARLIER = text("UPDATE injections SET day = day - CAST(:days AS integer)")
Tell = Callable[[str], None]


def today() -> date:
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)


@dataclass
class Platform:
    urls: PerRole[str]
    folder: Path
    port: int
    pace: int
    tell: Tell
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10)

    @property
    def log(self) -> Path:
        return self.folder / "api.log"

    def verb(self, *words: str, ends_with: int = 0) -> str:
        """What it says."""
        done = CliRunner().invoke(main, list(words), env=self._settings(self.urls.pipeline))
        assert done.exit_code == ends_with, done.output
        self.tell(f"marquee {' '.join(words)}: {done.output.strip().splitlines()[-1]}")
        return done.output

    def send(self, day: date, first: int, viewers: int = 400, **world: float) -> None:
        """By the simulator: another `first` is another crowd."""
        crowd, movies = Crowd(CLIENT, first, viewers), STARTER / "movies.csv"
        folder = self.folder / "data" / "simulation_data"
        (told,) = write_day(movies, folder, day, [crowd], 7, "starter", **world)
        self.tell(f"{CLIENT} send {told.ratings:,} ratings of {day}, {sum(told.faults.values()):,} faulty")

    def mix_up(self, day: date) -> None:
        """The client has sorted its rows by time, all but the column of users. No row looks wrong."""
        place = self.folder / "data" / "simulation_data" / str(day)
        path = place / CLIENT / "ratings.csv"
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        users, rests = zip(*(row.split(",", 1) for row in rows), strict=True)
        sorted_alone = sorted(rests, key=lambda rest: int(rest.rsplit(",", 1)[1]))
        mixed = map(",".join, zip(users, sorted_alone, strict=True))
        path.write_text("\n".join([head, *mixed, ""]), encoding="utf-8")
        seal(place, day, "starter")
        self.tell(f"{CLIENT} have sorted the rows of {day} by time, all but the column of users")

    def load(self, day: date, *force: str) -> None:
        """Force takes a day again that was sent anew."""
        self.verb("fetch", "--day", str(day), *force)
        self.verb("process", "--day", str(day))
        self.verb("load", "--day", str(day))

    def learn(self, day: date, *force: str) -> None:
        self.verb("train", "--day", str(day))
        self.verb("evaluate")
        self.verb("publish", *force)
        self.verb("refold")

    def start(self) -> None:
        program = [sys.executable, "-c", FASTER.format(pace=self.pace)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                program, env=self._environment(), stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + WITHIN_S
        while not self._is_ready():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(LOOK_EVERY_S)
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()

    def _is_ready(self) -> bool:
        with suppress(httpx.TransportError), self.http as http:
            return http.get("/health/ready").status_code == 200
        return False

    def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(by)
            self.process.wait(WITHIN_S)

    def publish_damaged(self) -> str:
        """A second model, published behind the back of the verb, which would refuse it."""
        good, models = self.champion(), self.folder / "models"
        damaged, url = good[::-1], str(models / good[::-1])
        shutil.copytree(models / good, models / damaged)
        (models / damaged / "left.npy").write_bytes(b"damage")
        with self._database() as connection:
            register(connection, damaged, "{}", url)
            make_champion(connection, damaged, url, replaced=good, kind="forced", reason="a drill")
        return damaged

    def champion(self) -> str:
        with self.http as http:
            return str(http.get("/health/ready").json()["model"])

    def metric(self, name: str) -> float:
        with self.http as http:
            lines = http.get("/metrics").text.splitlines()
        return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))

    @contextmanager
    def viewer(self) -> Iterator[Callable[[], object]]:
        """Asks for what is stored of somebody, whatever the answer."""
        new = {"username": "acme", "name": "Acme", "email": "acme@example.com", "password": PASSWORD}
        seen = {"external_id": "anna", "history": [{"title": "Alien (1979)"}]}
        with self.http as http:
            http.post("/create-client", json=new).raise_for_status()
            token = http.post("/token", data=new).raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            http.post("/recommendations", json=seen).raise_for_status()
            yield lambda: http.post("/recommendations", json={"external_id": "anna"})

    def age(self, days: int) -> None:
        """As it will look in so many days: of what was sent nothing is kept but what Postgres knows."""
        with self._database() as connection:
            connection.execute(_EARLIER, {"days": days})
        shutil.rmtree(self.folder / "data")

    @contextmanager
    def _database(self) -> Iterator[Connection]:
        engine = open_engine(self.urls.admin)
        with engine.begin() as connection:
            yield connection
        engine.dispose()

    def copy(self, folder: Path) -> None:
        """Its days and models, elsewhere."""
        for name in ("data", "models"):
            shutil.copytree(self.folder / name, folder / name)

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        project = str(Path(__file__).parents[2])
        return {**kept, "PYTHONPATH": project, "PORT": str(self.port), **self._settings(self.urls.api)}

    def _settings(self, url: str) -> dict[str, str]:
        return SETTINGS | {
            "DATABASE_URL": url,
            "DATA_URL": str(self.folder / "data"),
            "MODELS_URL": str(self.folder / "models"),
            "MODEL_CACHE": str(self.folder / "cache"),
        }
