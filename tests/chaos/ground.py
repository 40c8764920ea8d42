"""Two API processes, a Postgres that keeps what it says, a bucket for models, and disks that can be full."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from moto.server import ThreadedMotoServer
from sqlalchemy import Engine, create_engine, text

from recommender.local.postgres import Server
from recommender.local.process import start_child, stop_child
from recommender.local.urls import PerRole, role_urls
from recommender.roles import make_roles
from recommender.schema import migrate
from tests.api.conftest import PASSWORD, SETTINGS
from tests.chaos.disks import Disk, disk
from tests.conftest import PASSWORDS
from tests.exposition import value_of
from tests.ports import free_port

PROJECT = Path(__file__).parents[2]
DATABASE, BUCKET = "marquee", "s3://chaos/models"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
DISKS_MIB = {"postgres": 1_000, "files": 800}
POSTGRES = {
    "fsync": "on",
    "full_page_writes": "on",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "log_min_messages": "fatal",
}
READY_S, LOOK_S = 60.0, 0.05
Child = subprocess.Popen[bytes]


@dataclass
class Api:
    number: int
    port: int
    environment: dict[str, str]
    log: Path
    cache: Path
    child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        with self.log.open("ab") as log:
            self.child = start_child(
                [sys.executable, "-m", "api"], env=self.environment, cwd=PROJECT, output=log
            )

    def kill(self) -> None:
        assert self.child
        self.child.kill()
        self.child.wait()

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def wait_until_ready(self, within_s: float = READY_S) -> None:
        deadline = time.monotonic() + within_s
        while not self.is_ready():
            assert self.child and self.child.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{self.url} is not ready after {within_s:g} s"
            time.sleep(LOOK_S)

    def is_ready(self) -> bool:
        return self._asked("/health/ready").startswith("{")

    def model(self) -> str | None:
        with suppress(httpx.TransportError):
            model: str | None = httpx.get(f"{self.url}/health/ready", trust_env=False).json()["model"]
            return model
        return None

    def metric(self, name: str) -> float:
        return value_of(name, self._asked("/metrics"))

    def _asked(self, path: str) -> str:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{self.url}{path}", trust_env=False)
            return answer.text if answer.is_success else ""
        return ""


@dataclass
class Ground:
    folder: Path
    disks: dict[str, Disk]
    server: Server
    urls: PerRole[str]
    bucket: dict[str, str]  # settings with which it is found
    admin: Engine
    apis: list[Api] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.disks["files"].folder / "data"

    def settings(self, url: str, cache: Path) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        here = {
            "DATA_URL": str(self.data),
            "MODELS_URL": BUCKET,
            "MODEL_CACHE": str(cache),
            "DATABASE_URL": url,
        }
        own = {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "DB_POOL": "10"}
        return {**kept, **SETTINGS, **self.bucket, **here, **own}

    def add_api(self) -> None:
        number, port = len(self.apis), free_port()
        cache = self.disks["files"].folder / f"cache-{number}"
        environment = self.settings(self.urls.api, cache) | {"PORT": str(port)}
        api = Api(number, port, environment, self.folder / f"api-{number}.log", cache)
        api.start()
        self.apis.append(api)

    def end(self) -> None:
        for api in self.apis:
            if api.child:
                stop_child(api.child)
        self.resume()
        self.server.stop()

    def backends(self, *, of_api: bool = False) -> list[int]:
        """Every process of Postgres, or those that serve an API."""
        data = self.server.place.data
        found = [int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cwd") if _leads_to(p, data)]
        return [pid for pid in found if not of_api or b"marquee_api" in _words(pid)]

    def pause(self, pids: list[int]) -> None:
        self._signal(pids, signal.SIGSTOP)

    def resume(self, pids: list[int] | None = None) -> None:
        self._signal(self.backends() if pids is None else pids, signal.SIGCONT)

    @staticmethod
    def _signal(pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end_postgres(self, by: signal.Signals) -> None:
        """The postmaster; its children see that and end."""
        child = int((self.server.place.data / "postmaster.pid").read_text().split()[0])
        os.kill(child, by)
        deadline = time.monotonic() + READY_S
        while self.server.running:
            assert time.monotonic() < deadline, "Postgres does not end"
            time.sleep(LOOK_S)

    def register(self) -> str:
        """A new client's token."""
        new = {"username": "acme", "name": "Acme", "email": "acme@example.com", "password": PASSWORD}
        with httpx.Client(base_url=self.apis[0].url, trust_env=False, timeout=30) as http:
            http.post("/create-client", json=new).raise_for_status()
            return str(http.post("/token", data=new).raise_for_status().json()["access_token"])

    def movie_ids(self) -> list[int]:
        with self.admin.connect() as connection:
            return list(connection.execute(text("SELECT movie_id FROM movies ORDER BY movie_id")).scalars())

    def strays(self) -> list[str]:
        """Processes that belong to this run."""
        return [f"{pid} {words[:200]}" for pid, words in processes_of(self.folder)]


def processes_of(folder: Path) -> Iterator[tuple[int, str]]:
    """By their words, their folder or their settings, with their words."""
    mark = os.fsencode(folder)
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            told = (place / "cmdline").read_bytes() + os.fsencode((place / "cwd").readlink())
            if int(place.name) != os.getpid() and mark in told + (place / "environ").read_bytes():
                yield int(place.name), told.replace(b"\0", b" ").decode(errors="replace")


def _words(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False


@contextmanager
def ground() -> Iterator[Ground]:
    """Migrated; nothing runs in it yet but Postgres."""
    with ExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix="marquee-chaos-")).resolve()
        ends.callback(shutil.rmtree, folder)
        folder.chmod(0o711)  # the server runs as another user
        disks = {name: ends.enter_context(disk(folder, name, mib)) for name, mib in DISKS_MIB.items()}
        bucket = ends.enter_context(_bucket())
        server = Server(disks["postgres"].folder / "server", "secret", folder / "postgres.log", POSTGRES)
        ends.callback(server.stop)
        server.start()
        server.make_database(DATABASE)
        admin = create_engine(server.url(DATABASE), pool_pre_ping=True)
        ends.callback(admin.dispose)
        make_roles(admin, PASSWORDS)
        urls = role_urls(server.url(DATABASE), PASSWORDS)
        os.environ["DATABASE_URL"] = urls.owner  # where a migration finds it
        migrate()
        here = Ground(folder, disks, server, urls, bucket, admin)
        ends.callback(here.end)
        yield here


@contextmanager
def _bucket() -> Iterator[dict[str, str]]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it has a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    httpx.put(f"{address}/chaos", trust_env=False).raise_for_status()
    try:
        yield {**KEYS, "AWS_ENDPOINT_URL": address}
    finally:
        server.stop()
