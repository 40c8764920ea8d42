"""Verbs that make a model: a snapshot of the ratings, counts of its shards, a candidate; or make it again."""

from datetime import date

import click

from recommender.settings import DataSettings
from recommender.verbs.opening import (
    day_option,
    force_option,
    open_data,
    open_database,
    open_models,
    say,
    tell,
)

shards_option = click.option(
    "--shards",
    type=click.IntRange(1, 512),
    default=1,
    show_default=True,
    help="Parts of the ratings, by user, that can be counted side by side.",
)


@click.command()
@day_option
@shards_option
@force_option
def snapshot(day: date, shards: int, reason: str | None) -> None:
    """Export what a model of the day is trained and judged on, under a digest of its data.

    Training sees the ratings from before the day. Data that were learned and judged already are skipped.
    """
    from recommender.learning.chosen import chosen
    from recommender.learning.training import snapshot_to_train

    data = open_data()
    taken = snapshot_to_train(
        open_database(),
        data,
        open_models(),
        day,
        reason=reason or None,
        shards=shards,
        parameters=chosen(data).parameters,
        most_users=DataSettings.read().learn_users,
        progress=say,
    )
    about = taken.about
    say(f"data {taken.digest}: {len(taken.shards)} shards, {about['gate_users']:,} users held out")
    # A list, because the DAG makes a task of each.
    tell([{"digest": taken.digest, "shard": shard} for shard in taken.shards])


@click.command()
@click.option("--digest", required=True, metavar="DIGEST", help="Of the data, as `marquee snapshot` says it.")
@click.option("--shard", type=click.IntRange(0), required=True, metavar="K", help="The first is 0.")
def count(digest: str, shard: int) -> None:
    """Count one shard of a snapshot, for `train` to add up."""
    from recommender.learning.chosen import chosen
    from recommender.learning.counting import count_shard

    data = open_data()
    counted = count_shard(data, digest, shard, chosen(data).parameters, say)
    ratings = int(counted.counts.sum())
    say(f"shard {shard} of {digest}: {ratings:,} ratings of {counted.users:,} users counted")
    tell({"digest": digest, "shard": shard, "ratings": ratings, "users": counted.users})


@click.command()
@day_option
@shards_option
@click.option(
    "--digest", metavar="DIGEST", help="Train on this snapshot. [default: the one of the day's data now]"
)
@force_option
def train(day: date, shards: int, digest: str | None, reason: str | None) -> None:
    """Fit a candidate to the ratings from before the day. `evaluate` and `publish` come after it."""
    from recommender.learning.chosen import chosen
    from recommender.learning.training import train as fit

    data = open_data()
    choice = chosen(data)
    version = fit(
        open_database(),
        data,
        open_models(),
        day,
        reason=reason or None,
        shards=shards,
        digest=digest or None,
        parameters=choice.parameters,
        tuned=choice.about,
        most_users=DataSettings.read().learn_users,
        progress=say,
    )
    say(f"candidate {version}")
    tell({"version": version, "day": str(day), "reason": reason or None})


@click.command()
@click.argument("version")
def reproduce(version: str) -> None:
    """Train a version again from the data and parameters that its card names, and compare the two."""
    from recommender.errors import Failed
    from recommender.learning.reproducing import reproduce as again

    outcome = again(open_database(), open_data(), open_models(), version, say)
    differs = bool(outcome.again) and not outcome.identical
    if not differs:
        say(str(outcome))
    tell(
        {
            "version": version,
            "identical": outcome.identical,
            "again": outcome.again,
            "deleted_users": outcome.deleted,
            "differences": outcome.differences,
        }
    )
    if differs:
        raise Failed(str(outcome))
