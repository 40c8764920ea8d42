"""Verbs that bring a day into Postgres, and keep deleted users deleted."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from recommender.settings import DeletionSettings
from recommender.verbs.opening import day_option, open_data, open_database, open_models, say, tell

if TYPE_CHECKING:
    from recommender.daily.loading import LoadReport


@click.command()
@day_option
def load(day: date) -> None:
    """Load a processed day into Postgres; what is there already stays, and twice changes nothing."""
    from recommender.daily import forgetting, loading
    from recommender.progress import bars

    engine, data = open_database(), open_data()
    forgetting.check_deletions(engine, data)
    with bars() as progress:
        report = loading.load(engine, data, str(day), datetime.now(UTC), _key(), progress)
    forgetting.write_tombstones(engine, data)
    _say_loaded(report)
    tell({"verb": "load", "day": day, **_record(report)})


@click.command()
@day_option
def replay(day: date) -> None:
    """Take a day's refused rows in once more: from mended.csv where somebody made one, else as they were."""
    from recommender.daily import forgetting, replaying
    from recommender.progress import bars

    engine, data, models = open_database(), open_data(), open_models()
    forgetting.check_deletions(engine, data)
    with bars() as progress:
        report = replaying.replay(
            engine, data, models, day, now=datetime.now(UTC), tombstone_key=_key(), progress=progress
        )
    say(
        f"{report.taken:,} refused rows of {day} went in again; {report.left:,} cannot be read as columns,"
        f" {report.forgotten:,} were of deleted users"
    )
    _say_loaded(report.load)
    told = {"taken": report.taken, "left": report.left, "forgotten": report.forgotten}
    tell({"verb": "replay", "day": day, **told, **_record(report.load)})


def _key() -> str:
    return DeletionSettings.read().tombstone_key.get_secret_value()


def _say_loaded(report: "LoadReport") -> None:
    movies = ", ".join(f"{count:,} {state}" for state, count in sorted(report.movies.items()))
    say(f"{report.batch}: movies: {movies or 'none'}")
    for client in report.clients:
        c = client.counts
        say(
            f"{client.client}: {c.read:,} ratings read: {c.loaded:,} loaded, {c.unchanged:,} unchanged,"
            f" {c.superseded:,} superseded, {c.rejected:,} rejected; {client.new_users:,} new users"
        )
    for rule, count in report.rejected.most_common():
        say(f"  {count:>8,} x {rule.value}: {rule.sentence}")


def _record(report: "LoadReport") -> dict[str, Any]:
    clients = {c.client: {**asdict(c.counts), "new_users": c.new_users} for c in report.clients}
    rejected = {rule.value: count for rule, count in report.rejected.items()}
    told = {"batch": report.batch, "movies": dict(report.movies), "clients": clients}
    return {**told, **asdict(report.counts), "reasons": rejected}


@click.command("honour-deletions")
def honour_deletions() -> None:
    """After a restore, delete again whoever was deleted since the backup (as marquee_api).

    Before it is served and a day is loaded: whoever has a tombstone, in the database or with the days' files.
    """
    from recommender.daily import forgetting

    found = forgetting.honour_deletions(open_database(), open_data(), _key())
    say(
        f"{found.tombstones:,} tombstones put back, {found.users:,} users deleted again,"
        f" {found.rejects:,} of their refused rows erased"
    )
    for name in found.strangers:
        say(f"  {name} is of a client that is not here, and was left alone")
    tell({"verb": "honour-deletions", **asdict(found)})
