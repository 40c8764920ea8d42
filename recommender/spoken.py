"""What went wrong with a verb, as one sentence on the terminal."""

import os
import signal
import sys

import click
import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from recommender.errors import BadSettings, MarqueeError, NothingToDo

SKIPPED = 99  # Airflow's operators show a task that exits so as skipped
REFUSED = "42501"
TERMINATED = 128 + signal.SIGTERM
MISSING = {"42P01", "42703", "42883", "3F000"}  # a table, a column, a function, a schema


class Spoken(click.Group):
    """Our errors are one sentence on the terminal, not a traceback. Imports wait until a verb needs them."""

    def invoke(self, context: click.Context) -> object:
        if os.getpid() == 1:  # the first process of a container hears no signal that it has not asked for
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
        try:
            return super().invoke(context)
        except NothingToDo as nothing:
            click.echo(str(nothing))
            sys.exit(SKIPPED)
        except MarqueeError as error:
            click.echo(f"marquee: {error}", err=True)
            sys.exit(2 if isinstance(error, BadSettings) else 1)
        except (SQLAlchemyError, psycopg2.Error) as error:
            click.echo(f"marquee: {_of_database(error)}", err=True)
            sys.exit(1)

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), "local"])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name == "local":
            from recommender.local.commands import local

            command: click.Command = local
            return command
        return super().get_command(context, name)


def _of_database(error: Exception) -> str:
    """What to do about it; its first line says what Postgres said."""
    driver = getattr(error, "orig", None) or error
    state, said = getattr(driver, "pgcode", None), str(driver).strip().partition("\n")[0]
    if state == REFUSED:
        return (
            f"The database refuses this: {said}. Connect as another role; recommender/README.md says which."
        )
    if state in MISSING:
        return f"The schema is missing or old: {said}. Run `marquee migrate` first."
    if isinstance(driver, psycopg2.OperationalError):
        return f"The database does not answer: {said}"
    return f"The database reports an error: {said}"
