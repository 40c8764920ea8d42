"""A real Postgres for the tests: one server, one migrated template, a fresh copy of it for each test."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import Engine, create_engine, make_url, text

from recommender.database import open_engine
from recommender.local.postgres import Server
from recommender.local.urls import PerRole, role_urls
from recommender.roles import ANALYST, ROLES, make_roles
from recommender.schema import migrate

PASSWORDS = {role: f"p_{role}_in_tests" for role in (*ROLES, ANALYST)}
TEMPLATE = "template_marquee"
FAST = {"fsync": "off", "full_page_writes": "off", "scram_iterations": "1"}  # nothing here is kept or secret
_number = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="marquee-"))
    server = Server(folder, "secret", folder / "log", FAST)
    try:
        server.start()
        _run(server, "ALTER ROLE postgres PASSWORD 'secret'")  # with as few iterations
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    _run(server, f"CREATE DATABASE {TEMPLATE}")
    urls = _let_roles_in(server.url(TEMPLATE))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", urls.owner)
        migrate()
    return TEMPLATE


@contextmanager
def database(server: Server, template: str) -> Iterator[PerRole[str]]:
    """A copy of a database, as each of its roles."""
    name = f"test_{next(_number)}"
    copy(server, template, name)
    yield _let_roles_in(server.url(name))
    _run(server, f"DROP DATABASE {name} WITH (FORCE)")


def copy(server: Server, template: str, name: str) -> None:
    """File by file, which takes half the time of a copy that goes through the log."""
    _run(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")


@pytest.fixture
def urls(server: Server, template: str) -> Iterator[PerRole[str]]:
    """A migrated database of its own."""
    with database(server, template) as urls:
        yield urls


@pytest.fixture
def engines(urls: PerRole[str]) -> Iterator[PerRole[Engine]]:
    engines = urls.map(open_engine)
    yield engines
    engines.map(Engine.dispose)


def _let_roles_in(admin_url: str) -> PerRole[str]:
    """Rights on a database are not copied with it."""
    admin = create_engine(admin_url)
    make_roles(admin, PASSWORDS)
    admin.dispose()
    return role_urls(admin_url, PASSWORDS)


def _run(server: Server, statement: str) -> None:
    admin = create_engine(make_url(server.url()), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(statement))
    admin.dispose()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a real S3 server on this machine; every client of this process finds it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            environment.setenv(name, value)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str) -> str:
    """The URL of an empty bucket with a prefix."""
    name = f"bucket-{next(_number)}"
    httpx.put(f"{s3}/{name}", trust_env=False).raise_for_status()
    return f"s3://{name}/marquee"
