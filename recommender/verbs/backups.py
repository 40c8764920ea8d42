"""Verbs for backups of the database: keep a dump, list what is kept, bring one back to a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from recommender.settings import BackupSettings
from recommender.verbs.opening import say, tell


@click.group()
def backups() -> None:
    """Backups of the database, in BACKUP_URL."""


@backups.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    metavar="YYYY-MM-DDTHH:MM:SSZ",
    help="When the dump was made (UTC). [default: now]",
)
def keep(file: Path, at: datetime | None) -> None:
    """Keep a dump in the custom format of pg_dump; the oldest beyond BACKUP_KEEP are deleted."""
    from dataclasses import asdict

    from recommender.backups import keep as kept

    moment = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    done = kept(_store(), file, moment, BackupSettings.read().backup_keep)
    backup = done.backup
    what = "is kept" if done.new else "was kept before"
    say(f"{backup.name} {what}: {backup.bytes:,} bytes{_of(backup.schema)}")
    for name in done.deleted:
        say(f"  {name} is deleted: more than BACKUP_KEEP are newer")
    tell({"verb": "backups keep", **asdict(done)})


@backups.command("list")
def list_() -> None:
    """Every backup, the newest first."""
    from dataclasses import asdict

    from recommender.backups import listed

    store = _store()
    there = listed(store)
    for backup in there:
        say(f"{backup.name} {backup.bytes:>15,} bytes{_of(backup.schema)}")
    if not there:
        say(f"There are no backups in {store.url}.")
    tell([asdict(backup) for backup in there])


@backups.command()
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where it is put.")
def fetch(name: str, to: Path) -> None:
    """Bring the backup NAME, or the newest, to a file, and check that it is as it was kept."""
    from dataclasses import asdict

    from recommender.backups import fetch as fetched

    backup = fetched(_store(), name, to)
    say(f"{to} is {backup.name}: {backup.bytes:,} bytes{_of(backup.schema)}")
    tell({"verb": "backups fetch", **asdict(backup)})


def _of(schema: str | None) -> str:
    return f", schema {schema}" if schema else ""


def _store() -> Any:
    from recommender.files import Store

    return Store.at(BackupSettings.read().backup_url)
