"""The three images, built once, and the platform that runs out of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex

import httpx
import pytest

from tests.images.engine import Container, Engine, missing
from tests.images.instructions import TARGETS
from tests.ports import free_port

PGDATA = "/var/lib/postgresql/18/docker"
TOMBSTONE_KEY = "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u"
CONNECTED = ("--tmpfs", "/run/postgresql")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    if why := missing():
        pytest.skip(why)
    engine = Engine(token_hex(4))
    for target in TARGETS:
        engine.build(target)
    yield engine
    engine("rmi", *(engine.image(target) for target in TARGETS))


@dataclass(frozen=True)
class Postgres:
    """A server on a free port, started as the chart starts it."""

    engine: Engine
    volume: str
    password: str = field(default_factory=lambda: token_hex(16))
    port: int = field(default_factory=free_port)

    @contextmanager
    def started(self) -> Iterator[Container]:
        told = ("-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", "fsync=off")
        with self.engine.started(
            "postgres",
            *("postgres", *told),
            more=("--memory", "512m", *CONNECTED, "--volume", f"{self.volume}:/var/lib/postgresql"),
            env={"POSTGRES_PASSWORD": self.password, "POSTGRES_DB": "marquee", "PGDATA": PGDATA},
        ) as container:
            yield container

    def answers(self, container: Container) -> bool:
        return container.inside("pg_isready", "-h", "127.0.0.1", "-p", str(self.port)).returncode == 0

    def ask(self, container: Container, question: str) -> str:
        done = container.inside(
            *("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", "marquee"),
            *("-Atc", question),
            env={"PGPASSWORD": self.password},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def url(self, role: str = "postgres", database: str = "marquee") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"


@dataclass(frozen=True)
class Platform:
    """Postgres with roles, schema and the starter catalogue, and volumes for the days and the models."""

    engine: Engine
    postgres: Postgres
    data: str
    models: str
    passwords: dict[str, str]

    def run(self, role: str, *words: str) -> str:
        done = self.engine.run("marquee", *words, more=("--memory", "1g", *self.mounts), env=self.env(role))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def mounts(self) -> tuple[str, ...]:
        return (
            *("--volume", f"{self.data}:/var/lib/marquee/data"),
            *("--volume", f"{self.models}:/var/lib/marquee/models"),
        )

    def env(self, role: str) -> dict[str, str]:
        secrets = {f"{name.upper()}_PASSWORD": password for name, password in self.passwords.items()}
        password = self.passwords.get(role.removeprefix("marquee_"), self.postgres.password)
        given = {
            "DATABASE_URL": self.postgres.url(role),
            "PGPASSWORD": password,
            "TOMBSTONE_KEY": TOMBSTONE_KEY,
        }
        return given | (secrets if role == "postgres" else {})

    @contextmanager
    def api(self, **settings: str) -> Iterator[tuple[Container, httpx.Client]]:
        port = free_port()
        key = token_hex(24)
        given = {"PORT": str(port), "HOST": "127.0.0.1", "REGISTRATION": "open", "JWT_KEYS": f"k1:{key}"}
        with (
            self.engine.started(
                *("marquee", "python", "-m", "api"),
                more=("--memory", "768m", "--volume", f"{self.models}:/var/lib/marquee/models:ro"),
                env=self.env("marquee_api") | given | settings,
            ) as container,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http,
        ):
            container.until(lambda: _ready(http))
            yield container, http


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def volume(engine: Engine) -> Iterator[str]:
    with engine.volume() as volume:
        yield volume


@pytest.fixture(scope="session")
def platform(engine: Engine) -> Iterator[Platform]:
    with engine.volume() as files, engine.volume() as data, engine.volume() as models:
        postgres = Postgres(engine, files)
        passwords = {name: token_hex(16) for name in ("owner", "api", "pipeline", "airflow")}
        with postgres.started() as container:
            container.until(lambda: postgres.answers(container))
            platform = Platform(engine, postgres, data, models, passwords)
            platform.run("postgres", "marquee", "roles", "--wait", "60")
            platform.run("marquee_owner", "marquee", "migrate")
            platform.run("marquee_pipeline", "marquee", "starter")
            yield platform
