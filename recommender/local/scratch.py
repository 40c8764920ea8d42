"""A migrated database of its own, on a server of its own, that is gone afterwards: to measure in."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine

from recommender.local.postgres import Server
from recommender.local.urls import PerRole, role_urls
from recommender.local.verbs import command, run
from recommender.roles import ROLES, make_roles

_NAME = "marquee"


@contextmanager
def scratch_database(folder: Path) -> Iterator[PerRole[str]]:
    """Its URLs; it has the settings of this machine's platform."""
    server = Server(folder / "postgres", secrets.token_urlsafe(), folder / "postgres.log")
    server.start()
    try:
        server.make_database(_NAME)
        urls = _with_roles(server.url(_NAME))
        environment = {**os.environ, "DATABASE_URL": urls.owner}
        log = folder / "migrate.log"
        run([*command("marquee"), "migrate"], env=environment, cwd=folder, log=log, show=lambda _: None)
        yield urls
    finally:
        server.stop()


def _with_roles(admin_url: str) -> PerRole[str]:
    passwords = {role: secrets.token_urlsafe() for role in ROLES}
    admin = create_engine(admin_url)
    make_roles(admin, passwords)
    admin.dispose()
    return role_urls(admin_url, passwords)
