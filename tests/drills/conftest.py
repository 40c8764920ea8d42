"""For each drill: a platform that is well, and a real Prometheus and Alertmanager that watch it."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from recommender import accounts
from recommender.database import open_engine
from recommender.errors import Failed
from recommender.local.monitoring import check_programs
from recommender.local.places import Places
from recommender.local.postgres import Server
from recommender.local.urls import role_urls
from recommender.roles import make_roles
from recommender.schema import migrate
from tests.api.conftest import database_of
from tests.conftest import PASSWORDS
from tests.drills.platform import CLIENT, Platform, Tell, yesterday
from tests.drills.watching import Watch
from tests.ports import free_port

WELL = "well"  # the database that each drill has a copy of
_number = count(1)


def teller() -> Tell:
    """For who follows it on a terminal: ./setup.sh test --full tests/drills"""
    began = time.monotonic()

    def tell(line: str) -> None:
        sys.stdout.write(f"  {time.monotonic() - began:6.1f} s  {line}\n")
        sys.stdout.flush()

    return tell


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The drills' own: one of them stops it."""
    try:
        check_programs()
    except Failed as missing:
        pytest.skip(str(missing))
    folder = Path(tempfile.mkdtemp(prefix="marquee-drills-"))
    server = Server(folder, "secret", folder / "log", {"fsync": "off", "full_page_writes": "off"})
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def well(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Yesterday is loaded and learned from. It is copied and never run."""
    tell = teller()
    tell("a platform that is well")
    postgres.make_database(WELL)
    admin = create_engine(postgres.url(WELL))
    make_roles(admin, PASSWORDS)
    admin.dispose()
    urls = role_urls(postgres.url(WELL), PASSWORDS)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", urls.owner)
        migrate()
    owner = open_engine(urls.owner)
    with owner.begin() as connection:
        accounts.register(connection, CLIENT, "Viewers", "viewers@example.com", "of no password")
    owner.dispose()
    platform = Platform(urls, tmp_path_factory.mktemp(WELL), 0, 1, tell)
    platform.send(yesterday(), first=1)
    platform.load(yesterday())
    platform.learn(yesterday())
    platform.verb("drift", "--day", str(yesterday()))
    postgres.start()  # anew: verbs leave connections open, and a database that is in use cannot be copied
    return platform


Drill = tuple[Platform, Watch]


@pytest.fixture
def drill(
    postgres: Server,
    well: Platform,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[int], Drill]]:
    """`drill(60)`: what takes a minute takes a second."""
    with ExitStack() as ends:

        def begin(pace: int) -> Drill:
            tell, folder = teller(), tmp_path_factory.mktemp("drill")
            title = request.node.name.removeprefix("test_").replace("_", " ")
            tell(f"{title.upper()}: {pace} s take one")
            well.copy(folder)
            urls = database_of(postgres, WELL, f"drill_{next(_number)}")
            platform = Platform(urls, folder, free_port(), pace, tell)
            ends.callback(platform.end)
            platform.start()
            watch = Watch.of(platform, Places().rules, (free_port(), free_port()))
            ends.callback(watch.stop)
            watch.start()
            return platform, watch

        yield begin
