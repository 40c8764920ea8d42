"""Verbs that are jobs: each run of one leaves a row, from which the API tells outcomes and durations."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from recommender.errors import MarqueeError, NothingToDo
from recommender.settings import DatabaseSettings

if TYPE_CHECKING:
    from recommender.runs import Outcome

TIMEOUT_S = 3  # for a row that nobody's work depends on


def recorded(command: click.Command) -> click.Command:
    """The command as it was; its runs are written to the table `runs` besides."""
    work, verb = command.callback, command.name or ""
    assert work is not None, "a group is no job"  # noqa: S101

    @wraps(work)
    def run(*words: Any, **options: Any) -> Any:
        day = options.get("day")
        with _noted(verb, day.date() if isinstance(day, datetime) else day):
            return work(*words, **options)

    command.callback = run
    return command


@contextmanager
def _noted(verb: str, day: date | None) -> Iterator[None]:
    started, clock = datetime.now(UTC), time.monotonic()
    outcome: Outcome = "failed"
    try:
        yield
        outcome = "ok"
    except NothingToDo:
        outcome = "skipped"
        raise
    finally:
        _write(verb, day, started, outcome, time.monotonic() - clock)


def _write(verb: str, day: date | None, started: datetime, outcome: "Outcome", seconds: float) -> None:
    """Never a reason to fail: without a database, or a table in it, the run is not noted."""
    from psycopg2 import Error
    from sqlalchemy.exc import SQLAlchemyError

    from recommender.database import open_engine, transaction
    from recommender.runs import Run, write_run

    try:
        engine = open_engine(DatabaseSettings.read().database_url, statement_timeout_s=TIMEOUT_S)
        with transaction(engine) as connection:
            write_run(connection, Run(verb, day, started, datetime.now(UTC), outcome, seconds))
        engine.dispose()
    except (MarqueeError, SQLAlchemyError, Error) as error:
        if outcome == "ok" and _has_database():
            click.echo(f"This run is not noted: {str(error).partition(chr(10))[0]}", err=True)


def _has_database() -> bool:
    """fetch, seal and count need none."""
    try:
        return bool(DatabaseSettings.read())
    except MarqueeError:
        return False
