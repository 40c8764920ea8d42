"""Verbs for who operates the database: its roles, its schema, a first import, and what must be tidied."""

from datetime import UTC, date, datetime
from pathlib import Path

import click
from sqlalchemy import Engine, text

from recommender.settings import DeletionSettings
from recommender.verbs.opening import open_data, open_database, say, tell


@click.command()
def roles() -> None:
    """Make the database roles and the vector extension (once, as an administrator)."""
    from recommender.roles import make_roles
    from recommender.settings import RolePasswords

    make_roles(open_database(), RolePasswords.read().by_role())
    say("The roles marquee_owner, marquee_api and marquee_pipeline are there.")


@click.command()
def migrate() -> None:
    """Bring the schema to the newest version (as marquee_owner)."""
    from recommender.database import migrate as upgrade

    upgrade()
    say("The schema is at its newest version.")


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
def tidy(keep_months: int, day: datetime | None) -> None:
    """Make the log's partitions for the next months, drop those past their time, and old Idempotency-Keys.

    Deletions reach the days' files: tombstones are kept there, and refused rows of deleted users erased.
    """
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
    counts = {"partitions_made": made, "partitions_dropped": dropped, "keys_forgotten": forgotten}
    tell(counts | _tidy_files(engine))


def _tidy_files(engine: Engine) -> dict[str, int]:
    """What deletions leave to be done in the files of the days, where there are any."""
    from recommender.daily.erasing import erase_rejects
    from recommender.daily.forgetting import write_tombstones

    data = open_data()
    if not data.exists(""):
        return {}
    kept = write_tombstones(engine, data)
    erased = erase_rejects(engine, data, DeletionSettings.read().tombstone_key.get_secret_value())
    say(f"{kept} tombstones kept with the files, {erased} refused rows of deleted users erased there")
    return {"tombstones_kept": kept, "rejects_erased": erased}


def _months_before(first: date, months: int) -> date:
    total = first.year * 12 + first.month - 1 - months
    return date(total // 12, total % 12 + 1, 1)
