"""The command marquee. Each verb is one thing that a person, or a step of a DAG, can do by hand."""

import secrets
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path

import click
from sqlalchemy import Connection, Engine, text

from recommender.settings import DatabaseSettings, DeletionSettings, ModelSettings
from recommender.spoken import Spoken


@click.group(cls=Spoken, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Movie recommendations for streaming platforms.

    Verbs read their settings from the environment: DATABASE_URL above all.
    """


def say(sentence: str) -> None:
    click.echo(sentence)


def open_database() -> Engine:
    from recommender.database import open_engine

    return open_engine(DatabaseSettings.read().database_url)


def in_database() -> AbstractContextManager[Connection]:
    """One transaction, for the verbs that need no more."""
    from recommender.database import transaction

    return transaction(open_database())


@main.command()
def roles() -> None:
    """Make the database roles and the vector extension (once, as an administrator)."""
    from recommender.roles import make_roles
    from recommender.settings import RolePasswords

    make_roles(open_database(), RolePasswords.read().by_role())
    say("The roles marquee_owner, marquee_api and marquee_pipeline are there.")


@main.command()
def migrate() -> None:
    """Bring the schema to the newest version (as marquee_owner)."""
    from recommender.database import migrate as upgrade

    upgrade()
    say("The schema is at its newest version.")


@main.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--client", metavar="NAME", help="Whose users these are. Not needed for a folder of movies only."
)
@click.option(
    "--source", metavar="NAME", help="Whose numbering the movie ids are. [default: the folder's name]"
)
@click.option("--rejects", type=click.Path(path_type=Path), help="Write every refused row to this CSV file.")
def import_(folder: Path, client: str | None, source: str | None, rejects: Path | None) -> None:
    """Load a MovieLens folder of any generation; what cannot be loaded is listed with file, line and rule."""
    from recommender import accounts
    from recommender.importing import import_folder
    from recommender.progress import bars
    from recommender.reject_list import summary, tell_rejects

    settings, engine = DeletionSettings.read(), open_database()
    with bars() as progress:
        report = import_folder(
            engine,
            folder,
            source=source or folder.resolve().name,
            client=client and accounts.folded(client),
            now=datetime.now(UTC),
            tombstone_key=settings.tombstone_key.get_secret_value(),
            progress=progress,
        )
    for line in summary(report):
        say(line)
    tell_rejects(report.rejects(engine), report.rejected.total(), rejects, say)


@main.command()
def train() -> None:
    """Fit a model on every rating, publish it, and fold all users into its space."""
    from recommender.training import train as fit

    version, new = fit(open_database(), ModelSettings.read().models_url, say)
    say(f"model {version} is the champion" if new else f"nothing new to learn: {version} stays the champion")


@main.command()
@click.option(
    "--keep-months",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    help="Months of the log of what was served to keep.",
)
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="The day to count from (UTC). [default: today]"
)
def tidy(keep_months: int, day: datetime | None) -> None:
    """Make the log's partitions for the next months, drop those past their time, and old Idempotency-Keys."""
    from recommender.database import transaction

    first, engine = (day or datetime.now(UTC)).date().replace(day=1), open_database()
    with transaction(engine) as connection:  # each of the three holds its own locks, and only its own
        made = connection.scalar(text("SELECT make_log_partitions(:first, 4)"), {"first": first})
    with transaction(engine) as connection:
        oldest = {"before": _months_before(first, keep_months)}
        dropped = connection.scalar(text("SELECT drop_log_partitions(:before)"), oldest)
    with transaction(engine) as connection:
        keys = text("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")
        forgotten = connection.execute(keys).rowcount
    say(f"{made} partitions made, {dropped} dropped, {forgotten} old Idempotency-Keys forgotten")


def _months_before(first: date, months: int) -> date:
    total = first.year * 12 + first.month - 1 - months
    return date(total // 12, total % 12 + 1, 1)


@main.group()
def clients() -> None:
    """List, add, disable, enable and delete clients (as marquee_owner)."""


@clients.command("list")
def list_clients() -> None:
    """Every client: id, username, status, since when, name and e-mail."""
    from recommender import accounts

    with in_database() as connection:
        for a in accounts.listed(connection):
            say(f"{a.client_id:>6}  {a.username:<20} {a.status:<9} {a.created_at:%F}  {a.name} <{a.email}>")


@clients.command("add")
@click.argument("username")
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option(
    "--no-password", is_flag=True, help="Nobody can sign in as this client until its password is reset."
)
def add_client(username: str, name: str, email: str, no_password: bool) -> None:
    """Register a client and print its password, once."""
    from recommender import accounts

    password, username = secrets.token_urlsafe(18), accounts.new_username(username)
    with in_database() as connection:
        if accounts.find(connection, username):
            say(f"client {username} is there already")
            return
        accounts.register(connection, username, name, email, accounts.hash_password(password))
    say(f"client {username} registered" + ("" if no_password else f", password: {password}"))


@clients.command("reset-password")
@click.argument("username")
def reset_password(username: str) -> None:
    """Give a client a new password and print it, once."""
    from recommender import accounts

    password = secrets.token_urlsafe(18)
    with in_database() as connection:
        accounts.set_password(connection, username, accounts.hash_password(password))
    say(f"new password of {accounts.folded(username)}: {password}")


@clients.command()
@click.argument("username")
def disable(username: str) -> None:
    """Refuse a client at once; its tokens stop working, its data stay."""
    _set_status(username, "disabled")


@clients.command()
@click.argument("username")
def enable(username: str) -> None:
    """Let a disabled client in again."""
    _set_status(username, "active")


def _set_status(username: str, status: str) -> None:
    from recommender import accounts

    with in_database() as connection:
        accounts.set_status(connection, username, status)
    say(f"client {accounts.folded(username)} is {status}")


@clients.command("delete")
@click.argument("username")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_client(username: str, yes: bool) -> None:
    """Delete a client with all its users and everything of theirs."""
    from recommender import accounts

    if not yes:
        click.confirm(
            f"Delete {username}, all its users and their ratings? This cannot be undone", abort=True
        )
    with in_database() as connection:
        accounts.delete(connection, username)
    say(f"client {accounts.folded(username)} is deleted")
