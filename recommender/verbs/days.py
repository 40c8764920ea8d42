"""Verbs for what a day brings: seal it, fetch it, process it, and see where each day stands."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import click

from recommender.settings import DataSettings, DeletionSettings
from recommender.verbs.opening import (
    DayType,
    day_option,
    force_option,
    open_data,
    open_database,
    open_models,
    say,
    tell,
)


@click.command()
@day_option
@click.option(
    "--source", metavar="NAME", help="Whose numbering the movie ids are. [default: simulation_data]"
)
def seal(day: date, source: str | None) -> None:
    """Say that a folder of incoming files, filled by hand, is complete: write its manifest."""
    from recommender.daily.fetching import SOURCE, files_of
    from recommender.days import INCOMING
    from recommender.errors import NothingToDo
    from recommender.manifests import seal_as_it_is

    data, folder = open_data(), f"{INCOMING}/{day}"
    if not data.files(folder):
        raise NothingToDo(f"There are no files of {day}: {data.named(folder)} is empty or not there.")
    manifest = seal_as_it_is(data, folder, {"day": str(day), "source": source or SOURCE})
    files = files_of(manifest, data.named(folder))
    say(f"{data.named(folder)} is sealed: {sum(1 for _ in files.entries)} files")
    _say_ignored(files.others)
    tell({"verb": "seal", "day": day, "digest": manifest.digest, "ignored": files.others})


def _say_ignored(paths: tuple[str, ...]) -> None:
    for path in paths:
        say(f"  {path} is no file of a day, and is left alone")


@click.command()
@day_option
@force_option
def fetch(day: date, reason: str | None) -> None:
    """Take a day's incoming files in, each checked against the day's manifest: simulation_data to raw."""
    from recommender.daily import fetching
    from recommender.days import RAW
    from recommender.manifests import read_manifest
    from recommender.progress import bars

    data = open_data()
    before = read_manifest(data, f"{RAW}/{day}")
    with bars() as progress:
        raw = fetching.fetch(data, day, progress, reason)
    same = before is not None and before.digest == raw.digest
    size = sum(entry.bytes for entry in raw.files)
    say(f"{data.named(f'{RAW}/{day}')}: {len(raw.files)} files, {size:,} bytes" + _again(same))
    _say_ignored(tuple(raw.about["ignored"]))
    tell({"verb": "fetch", "day": day, "digest": raw.digest, "files": len(raw.files), "unchanged": same})


def _again(same: bool) -> str:
    return "; it was there already, nothing has changed" if same else ""


@click.command()
@day_option
@force_option
@click.option(
    "--champion",
    metavar="VERSION",
    help="The model of the users' tastes; `current` is the one that serves."
    " [default: that of an earlier try, else current]",
)
def process(day: date, reason: str | None, champion: str | None) -> None:
    """Clean a fetched day: raw to processed, and what breaks a rule to no_injected_data."""
    from recommender.daily import processing
    from recommender.daily.day_status import summary
    from recommender.days import PROCESSED
    from recommender.manifests import read_manifest
    from recommender.progress import bars

    data, folder = open_data(), f"{PROCESSED}/{day}"
    before = read_manifest(data, folder)
    with bars() as progress:
        made = processing.process(
            open_database(),
            data,
            open_models(),
            str(day),
            reject_limit=DataSettings.read().reject_limit,
            tombstone_key=DeletionSettings.read().tombstone_key.get_secret_value(),
            progress=progress,
            reason=reason,
            champion=champion,
        )
    same = before is not None and before.digest == made.digest
    for line in summary(made.about):
        say(line)
    say(f"{data.named(folder)}: {len(made.files)} files" + _again(same))
    tell({"verb": "process", "digest": made.digest, "unchanged": same, **_counts(made.about)})


def _counts(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: about[name] for name in ("day", "champion", "reason", "movies", "clients")}


@click.command()
@click.option(
    "--day", type=DayType(), metavar="YYYY-MM-DD", help="Only this day, with why rows were rejected."
)
def status(day: date | None) -> None:
    """List the days that there is something of: the state of each, and how many rows came how far."""
    from recommender.daily.day_status import details, read_statuses, table
    from recommender.errors import NothingToDo

    data = open_data()
    found = read_statuses(open_database(), data, day)
    if not found:
        raise NothingToDo(f"There is nothing of {day or 'any day'} in {data.url}.")
    for line in table(found):
        say(line)
    for one in found if day else ():
        for line in details(one):
            say(line)
    tell({"verb": "status", "days": [asdict(one) for one in found]})
