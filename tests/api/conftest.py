"""A real API for the tests: its own process, on a free port, against a migrated Postgres."""

import gc
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

import recommender
from api.metrics import Metrics
from recommender import accounts
from recommender.database import open_engine
from recommender.files import Store
from recommender.imports.importing import import_folder
from recommender.learning.judging import evaluate
from recommender.learning.publishing import publish
from recommender.learning.refolding import refold
from recommender.learning.training import train
from recommender.local.postgres import Server
from recommender.local.urls import PerRole, role_urls
from recommender.model_store import ModelStore
from recommender.roles import make_roles
from simulator.history import write_history
from tests.conftest import PASSWORDS, copy
from tests.ports import free_port

PASSWORD = "kites over the harbour"
KEYS = "now:Zk3u8Qw1pLr6Tz0vXy5bNc7mGh2jDf9s,old:Rt5yHn8uJm2iKo4pLq6wEs1xDc3vFg7b"
STARTER = Path(recommender.__file__).parent / "starter"
DEADLINE_S = 60
LAST_DAY = date(2025, 12, 31)  # of the simulated histories
SETTINGS = {
    "HOST": "127.0.0.1",
    "JWT_KEYS": KEYS,
    "TOMBSTONE_KEY": "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u",
    "REGISTRATION": "open",
    "TOKEN_RATE": "10000",
    "CREATE_RATE": "10000",
    "CLIENT_RATE": "10000",
    "DB_POOL": "5",
}
_number = count(1)


@dataclass(frozen=True)
class Service:
    """A running API. `http` sends without a token; `client()` registers one and sends as it."""

    url: str
    urls: PerRole[str]
    process: subprocess.Popen[bytes]
    log: Path
    http: httpx.Client
    models: Path
    _open: ExitStack = field(default_factory=ExitStack)

    def register(self, **changed: str) -> dict[str, str]:
        name = f"client-{next(_number)}"
        new = {"username": name, "name": name.title(), "email": f"{name}@example.com", "password": PASSWORD}
        answer = self.http.post("/create-client", json=new | changed)
        assert answer.status_code == 201, answer.text
        return new | changed

    def token(self, username: str, password: str = PASSWORD) -> str:
        answer = self.http.post("/token", data={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def client(self) -> httpx.Client:
        """A client of its own, signed in."""
        return self.signed(self.token(self.register()["username"]))

    def signed(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return self._open.enter_context(httpx.Client(base_url=self.url, headers=headers, trust_env=False))

    def close(self) -> None:
        self._open.close()


API = ("-m", "api")
LOOKING = ("-c", "import api.shelf, api.__main__ as api_main; api.shelf.POLL_S = 0.1; api_main.main()")


@contextmanager
def serving(
    urls: PerRole[str], folder: Path, settings: dict[str, str], program: Sequence[str] = API
) -> Iterator[Service]:
    port = free_port()
    given = SETTINGS | {"DATABASE_URL": urls.api, "PORT": str(port), "MODELS_URL": str(folder)} | settings
    log = folder / f"api-{port}.log"
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [sys.executable, *program], env=_environment() | given, stdout=lines, stderr=lines, cwd=folder
        )
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        service = Service(url, urls, process, log, http, folder)
        try:
            _wait_for(service)
            yield service
        finally:
            service.close()
            process.terminate()
            process.wait(DEADLINE_S)


def _environment() -> dict[str, str]:
    """No setting of the shell that runs the tests reaches the API, whose code is that of this tree."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    return kept | {"PYTHONPATH": str(Path(recommender.__file__).parents[1])}


def until(service: Service, path: str, done: Callable[[httpx.Response], bool]) -> httpx.Response:
    """Asks again until the watcher, which looks every few seconds, has seen it."""
    deadline = time.monotonic() + DEADLINE_S
    while not done(answer := service.http.get(path)):
        assert time.monotonic() < deadline, answer.text
    return answer


def eventually(seen: Callable[[], bool]) -> None:
    """What a thread does in its own time."""
    deadline = time.monotonic() + DEADLINE_S
    while not seen():
        assert time.monotonic() < deadline


def run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


@contextmanager
def away(engines: PerRole[Engine]) -> Iterator[None]:
    """The database lets nobody in, as while it restarts."""
    name = engines.admin.url.database
    elsewhere = create_engine(engines.admin.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    engines.map(Engine.dispose)
    with elsewhere.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    elsewhere.dispose()


def _wait_for(service: Service) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if service.http.get("/health/live").status_code == 200:
                return
        with suppress(subprocess.TimeoutExpired):
            service.process.wait(0.05)
            break
    raise AssertionError(service.log.read_text())


def database_of(server: Server, template: str, name: str) -> PerRole[str]:
    copy(server, template, name)
    inside = create_engine(server.url(name))
    make_roles(inside, PASSWORDS)
    inside.dispose()
    return role_urls(server.url(name), PASSWORDS)


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    """What a shelf of the test's own process spared is looked through again, so that a leak is still told."""
    yield
    gc.unfreeze()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(scope="session")
def service(server: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One API for all tests that keep to clients of their own; its catalogue is empty."""
    with serving(database_of(server, template, "service"), tmp_path_factory.mktemp("api"), {}) as service:
        yield service


@dataclass(frozen=True)
class Stock:
    """The starter catalogue, simulated histories and a trained model, to be copied by who wants one."""

    database: str
    models: Path


@pytest.fixture(scope="session")
def stock(server: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Stock:
    stock = Stock("stock", tmp_path_factory.mktemp("stock"))
    make_stock(database_of(server, template, stock.database), stock.models)
    return stock


@pytest.fixture(scope="session")
def stocked(server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One stocked API for all tests that keep to clients of their own."""
    with serving(*copied_stock(server, stock, tmp_path_factory), {}) as service:
        yield service


@pytest.fixture(scope="module")
def own(server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A stocked API of the module's own, which it may disturb."""
    with serving(*copied_stock(server, stock, tmp_path_factory), {}) as service:
        yield service


@pytest.fixture
def watchful(server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A stocked API of the test's own that looks for a new champion many times a second."""
    urls, models = copied_stock(server, stock, tmp_path_factory)
    with serving(urls, models, {"DB_POOL": "20"}, LOOKING) as service:
        yield service


@pytest.fixture
def copied(
    server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PerRole[Engine], Path]]:
    """A stocked database of the test's own and its models, without an API."""
    urls, models = copied_stock(server, stock, tmp_path_factory)
    engines = urls.map(open_engine)
    yield engines, models
    engines.map(Engine.dispose)


def copied_stock(
    server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PerRole[str], Path]:
    name = f"stocked_{next(_number)}"
    models = tmp_path_factory.mktemp(name)
    shutil.copytree(stock.models, models, dirs_exist_ok=True)
    return database_of(server, stock.database, name), models


def make_stock(urls: PerRole[str], folder: Path) -> None:
    engines = urls.map(open_engine)
    with engines.owner.begin() as connection:
        accounts.register(connection, "viewers", "Viewers", "viewers@example.com", "of no password")
    history, models = folder / "history", ModelStore.at(folder, folder)
    write_history(STARTER / "movies.csv", history, range(1, 201), seed=7, until=LAST_DAY + timedelta(1))
    import_folder(
        engines.pipeline,
        history,
        source="starter",
        client="viewers",
        now=datetime.now(UTC),
        tombstone_key=SETTINGS["TOMBSTONE_KEY"],
    )
    data = Store.at(folder / "data")
    version = train(engines.pipeline, data, models, LAST_DAY)
    evaluate(engines.pipeline, data, models, version)
    publish(engines.pipeline, models, version, reason="the tests start from it")
    refold(engines.pipeline, models, lambda *_: None)
    engines.map(Engine.dispose)


@pytest.fixture
def serve(urls: PerRole[str], tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """`serve(TOKEN_RATE="3")`: an API of the test's own, with an empty database and these settings.

    `serve(LOOKING)`: one that looks many times a second what has changed.
    """
    with ExitStack() as running:
        yield lambda program=API, **settings: running.enter_context(
            serving(urls, tmp_path, settings, program)
        )
