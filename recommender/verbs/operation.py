"""Verbs for who operates the database: its roles, its schema, a first import, and what must be tidied."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine, text

from recommender.settings import DeletionSettings
from recommender.verbs.opening import open_data, open_database, open_models, say, tell

ROLES_LOCK_S = 60  # for another run; a dead one's connection may live for hours
wait_option = click.option(
    "--wait",
    "seconds",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="How long to wait for a server that does not answer yet.",
)


@click.command()
@wait_option
def roles(seconds: float) -> None:
    """Make the database roles, the vector extension and Airflow's database (as an administrator).

    Again with each new version: what is there already stays.
    """
    from recommender.database import open_engine, wait_for_server
    from recommender.roles import make_roles
    from recommender.settings import DatabaseSettings, RolePasswords

    url, passwords = DatabaseSettings.read().database_url, RolePasswords.read().by_role()
    engine = open_engine(url, lock_timeout_s=ROLES_LOCK_S)
    wait_for_server(engine, seconds, say)
    for sentence in make_roles(engine, passwords):
        say(sentence)


@click.command()
@wait_option
def migrate(seconds: float) -> None:
    """Bring the schema to the newest version (as marquee_owner); one that is newer is left as it is."""
    from recommender.database import wait_for_server
    from recommender.schema import migrate as upgrade

    wait_for_server(open_database(), seconds, say)
    say(upgrade(say=say))


@click.command()
def starter() -> None:
    """Load the catalogue that comes along: well-known films and series (as marquee_pipeline)."""
    from recommender.imports.starter import load_starter

    found = load_starter(open_database())
    if found.total() == found["known"]:
        say(f"The starter catalogue is known already: {found.total():,} movies.")
    else:
        states = (f"{found[state]:,} {state}" for state in ("new", "matched", "updated", "known"))
        say(f"The starter catalogue is loaded: {', '.join(states)}.")
    tell({"verb": "starter", **found})


@click.command("import")
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
    from recommender.imports.importing import import_folder
    from recommender.imports.reject_list import summary, tell_rejects
    from recommender.progress import bars

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


@click.command()
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
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Days whose files in raw and processed are kept after they were loaded.",
)
def tidy(keep_months: int, day: datetime | None, keep_days: int) -> None:
    """Make the log's partitions for the next months, drop those past their time, and old Idempotency-Keys.

    Before that it sums up how widely the last days' lists were spread over the catalogue.

    Deletions reach the files: tombstones are kept there, and deleted users erased from the refused rows and
    from the data of trainings. Days, data and models that nobody goes back to are deleted.
    """
    from recommender.database import transaction
    from recommender.runs import forget_old_runs

    today, engine = (day or datetime.now(UTC)).date(), open_database()
    first = today.replace(day=1)
    spread = _sum_up(engine, today)
    with transaction(engine) as connection:  # each of the three holds its own locks, and only its own
        made = connection.scalar(text("SELECT make_log_partitions(:first, 4)"), {"first": first})
    with transaction(engine) as connection:
        oldest = {"before": _months_before(first, keep_months)}
        dropped = connection.scalar(text("SELECT drop_log_partitions(:before)"), oldest)
    with transaction(engine) as connection:
        keys = text("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")
        forgotten = connection.execute(keys).rowcount
        runs = forget_old_runs(connection)
    say(f"{made} partitions made, {dropped} dropped, {forgotten} old Idempotency-Keys forgotten")
    counts = {"partitions_made": made, "partitions_dropped": dropped, "keys_forgotten": forgotten}
    counts |= {"runs_forgotten": runs, "days_summed_up": spread}
    oldest_day = today - timedelta(days=keep_days)
    tell(counts | _tidy_files(engine, oldest_day) | _tidy_learning(engine, today))


def _sum_up(engine: Engine, today: date) -> list[str]:
    from recommender.database import transaction
    from recommender.exposure import sum_up

    with transaction(engine) as connection:
        found = sum_up(connection, today)
    for one in found:
        shown = f"{one.movies:,} of {one.catalogue:,} movies stood in one, Gini {one.gini:.2f}"
        say(f"{one.day}: {one.lists:,} lists served, {shown}")
    return [str(one.day) for one in found]


def _tidy_files(engine: Engine, before: date) -> dict[str, Any]:
    """What deletions leave to be done in the files of the days, where there are any."""
    from recommender.daily.erasing import erase_rejects
    from recommender.daily.forgetting import write_tombstones
    from recommender.daily.keeping import drop_old_days

    data = open_data()
    if not data.exists(""):
        return {}
    kept = write_tombstones(engine, data)
    erased = erase_rejects(engine, data, DeletionSettings.read().tombstone_key.get_secret_value())
    say(f"{kept} tombstones kept with the files, {erased} refused rows of deleted users erased there")
    old = drop_old_days(engine, data, before)
    say(
        f"files of {len(old)} loaded days deleted from raw and processed{': ' if old else ''}{', '.join(old)}"
    )
    return {"tombstones_kept": kept, "rejects_erased": erased, "days_deleted": old}


def _tidy_learning(engine: Engine, day: date) -> dict[str, Any]:
    """Models, and the data that they were trained on."""
    from recommender.learning.retention import tidy_models, tidy_snapshots

    dropped, erased = tidy_snapshots(engine, open_data())
    deleted = tidy_models(engine, open_models(), day)
    say(f"data of {dropped} trainings dropped, {erased} deleted users erased from the others")
    say(f"files of {len(deleted)} models deleted{': ' if deleted else ''}{', '.join(deleted)}")
    return {"snapshots_dropped": dropped, "users_erased": erased, "models_deleted": deleted}


def _months_before(first: date, months: int) -> date:
    total = first.year * 12 + first.month - 1 - months
    return date(total // 12, total % 12 + 1, 1)
