"""Three platforms live through the same weeks: python -m tests.simulator.weeks --seeds 5 --out FOLDER

One learns daily, one learned once, one serves what is popular. `marquee-simulate report FOLDER` compares.
"""

import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import get_args

import click
from click.testing import CliRunner
from pytest import MonkeyPatch
from sqlalchemy import create_engine

from recommender.cli import main as marquee
from recommender.local.postgres import Server
from recommender.local.urls import PerRole, role_urls
from recommender.roles import make_roles
from recommender.schema import migrate
from simulator.weeks.platform import Verb
from simulator.weeks.run import Options, Place, live
from simulator.weeks.world import Learns
from tests.api import conftest
from tests.api.conftest import PASSWORD, SETTINGS, STARTER, database_of, serving
from tests.conftest import PASSWORDS

TEMPLATE = "opening"
LOOKING = ("-c", "import api.shelf, api.__main__ as api_main; api.shelf.POLL_S = 0.5; api_main.main()")
NOTHING_TO_DO = 99


def in_process(urls: PerRole[str], folder: Path) -> Verb:
    """The verbs without a process for each: starting one takes longer than most of them."""
    environment = SETTINGS | {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": str(folder / "data"),
        "MODELS_URL": str(folder),
    }

    def run(*words: str) -> bool:
        done = CliRunner().invoke(marquee, list(words), env=environment, catch_exceptions=False)
        assert done.exit_code in (0, NOTHING_TO_DO), done.output
        return done.exit_code == 0

    return run


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """With a migrated database, to be copied."""
    postgres = Server(folder / "postgres", "secret", folder / "postgres.log", {"fsync": "off"})
    postgres.start()
    try:
        postgres.make_database(TEMPLATE)
        admin = create_engine(postgres.url(TEMPLATE))
        make_roles(admin, PASSWORDS)
        admin.dispose()
        owner = role_urls(postgres.url(TEMPLATE), PASSWORDS).owner
        with MonkeyPatch.context() as environment:  # the verb would leave a session open, and forbid copies
            environment.setenv("DATABASE_URL", owner)
            migrate()
        yield postgres
    finally:
        postgres.stop()


@contextmanager
def platform(postgres: Server, template: str, folder: Path, name: str) -> Iterator[Place]:
    """A fresh one, with a client of its own."""
    urls = database_of(postgres, template, name)
    folder.mkdir()
    with serving(urls, folder, {}, LOOKING) as service:
        login = service.register()
        verb = in_process(urls, folder)
        yield Place(service.url, login["username"], PASSWORD, folder / "data", verb)


def titles(folder: Path, count: int) -> Path:
    """The first of the starter catalogue."""
    file = folder / "movies.csv"
    with (STARTER / "movies.csv").open() as lines:
        file.write_text("".join(islice(lines, count + 1)))
    return file


@click.command(context_settings={"show_default": True})
@click.option("--seeds", type=click.IntRange(1), default=5)
@click.option("--first", type=click.IntRange(0), default=1, help="The first seed.")
@click.option("--weeks", type=click.IntRange(1), default=4)
@click.option("--viewers", type=click.IntRange(1), default=300)
@click.option("--joining", type=click.FloatRange(0), default=6.0, help="Viewers a day.")
@click.option("--named", type=click.IntRange(1), default=30, help="Titles each has rated when she comes.")
@click.option("--titles", "count", type=click.IntRange(1), default=800)
@click.option("--new-titles", type=click.FloatRange(0, 1), default=0.1, help="Share that joins later.")
@click.option("--every", type=click.IntRange(1), default=1, help="Days from one learning to the next.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder for the records.")
def main(
    seeds: int,
    first: int,
    weeks: int,
    viewers: int,
    joining: float,
    named: int,
    count: int,
    new_titles: float,
    every: int,
    out: Path,
) -> None:
    conftest.DEADLINE_S = 300  # a machine that others use too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # not without ending the API
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="marquee-weeks-"))
    options = Options(weeks, viewers, joining, named, new_titles, "daily", every, date(2026, 1, 5), 0)
    try:
        with server(folder) as postgres:
            movies = titles(folder, count)
            for seed in range(first, first + seeds):
                for learns in get_args(Learns):
                    began, name = time.monotonic(), f"{learns}_{seed}"
                    if (out / f"{name}.json").exists():  # of a run that was ended
                        continue
                    with platform(postgres, TEMPLATE, folder / name, name) as place:
                        record = live(
                            movies, replace(options, seed=seed, learns=learns), place, lambda _: None
                        )
                    (out / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
                    click.echo(f"{name}: {record['whole']} in {time.monotonic() - began:.0f} s")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
