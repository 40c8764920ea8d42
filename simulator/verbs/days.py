"""The verb days."""

from datetime import datetime
from pathlib import Path

import click
from tqdm import tqdm

from simulator.days import Crowd
from simulator.period import Day, Period, write_period

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--movies", type=click.Path(path_type=Path), required=True, help="A MovieLens movies.csv.")
@click.option("--from", "first", type=_DAY, required=True, help="The first day to write (UTC).")
@click.option("--to", "last", type=_DAY, required=True, help="The last day to write.")
@click.option("--opening", type=_DAY, show_default="--from", help="The day on which the lives begin.")
@click.option("--client", "clients", multiple=True, required=True, help="A client; may be repeated.")
@click.option("--viewers", type=click.IntRange(1), default=600, help="How many users each client has in all.")
@click.option("--first", "number", type=click.IntRange(1), default=1, help="The first user's number.")
@click.option(
    "--scale", type=click.FloatRange(0, min_open=True), default=1.0, help="How many times as much all rate."
)
@click.option("--seed", type=click.IntRange(0), default=7, help="The same seed writes the same bytes.")
@click.option("--source", default="simulation_data", help="Whose numbering the movie ids are in.")
@click.option(
    "--shift",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="How far all tastes move to one fashion in the first four weeks.",
)
@click.option("--faults", type=click.FloatRange(0, 1), default=0.0, help="Share of rows that break a rule.")
@click.option(
    "--households", type=click.FloatRange(0, 1), default=0.2, help="Share of users that several viewers are."
)
@click.option("--bots", type=click.FloatRange(0, 1), default=0.01, help="Share of users that no viewer is.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder of the days.")
def days(
    movies: Path,
    first: datetime,
    last: datetime,
    opening: datetime | None,
    clients: tuple[str, ...],
    viewers: int,
    number: int,
    scale: float,
    seed: int,
    source: str,
    shift: float,
    faults: float,
    households: float,
    bots: float,
    out: Path,
) -> None:
    """Write days on which the same viewers live on: they join, rate, come back and stop.

    Tastes drift over the weeks. A run that was interrupted goes on when it is started again: sealed days are
    left alone. A later period of the same --opening goes on with the same lives.
    """
    period = Period(
        first=first.date(),
        last=last.date(),
        opening=(opening or first).date(),
        crowds=[Crowd(name, number + n * viewers, viewers) for n, name in enumerate(clients)],
        seed=seed,
        source=source,
        scale=scale,
        shift=shift,
        faults=faults,
        households=households,
        bots=bots,
    )
    check(period)
    ratings = 0
    with tqdm(total=viewers * len(clients), desc="Users", unit=" users", disable=None) as bar:
        for day in write_period(movies, out, period, bar.update):
            click.echo(told(day))
            ratings += sum(written.ratings for written in day.written)
    click.echo(f"{ratings:,} ratings on {len(period.days):,} days: {out}")


def check(period: Period) -> None:
    if period.last < period.first:
        raise click.UsageError("--to is before --from.")
    if period.opening > period.first:
        raise click.UsageError("--opening is after --from.")


def told(day: Day) -> str:
    if not day.written:
        return f"{day.day}: sealed before, left alone"
    rows = sum(written.ratings for written in day.written)
    faulty = sum(sum(written.faults.values()) for written in day.written)
    return f"{day.day}: {rows:,} ratings" + (f", {faulty:,} of them faulty" if faulty else "")
