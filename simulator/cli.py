"""The command marquee-simulate."""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

import click
from tqdm import tqdm

from simulator.account import opened
from simulator.days import Crowd, write_day
from simulator.errors import SimulatorError
from simulator.history import write_history
from simulator.question import Login, ask_all
from simulator.verbs.bench import bench
from simulator.verbs.calibrate import calibrate
from simulator.verbs.days import days
from simulator.verbs.traffic import replay, traffic
from simulator.verbs.weeks import report, weeks

# A fixed day and not today, so that the same command writes the same bytes next year.
UNTIL = "2026-01-01"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Viewers with hidden tastes: they write histories, and they try how fast an API answers them."""
    if os.getpid() == 1:  # the first process of a container hears no signal that it has not asked for
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@main.command()
@click.option("--movies", type=click.Path(path_type=Path), required=True, help="A MovieLens movies.csv.")
@click.option("--viewers", type=click.IntRange(1), default=600, help="How many viewers.")
@click.option("--seed", type=click.IntRange(0), default=7, help="The same seed writes the same bytes.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    default=UNTIL,
    help="Ratings are of the year before this day (UTC). Fixed, so that a run can be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write.")
def history(movies: Path, viewers: int, seed: int, until: datetime, out: Path) -> None:
    """Write a folder in the form of MovieLens: movies.csv as it is, and ratings.csv."""
    user_ids = tqdm(range(1, viewers + 1), desc="Viewers", unit=" viewers", disable=None)
    written = write_history(movies, out, user_ids, seed, until.date())
    people, ratings = f"{written.viewers:,} viewers", f"{written.ratings:,} ratings"
    click.echo(f"{people} gave {ratings}, {written.mean:.2f} stars on average: {out}")


@main.command()
@click.option("--movies", type=click.Path(path_type=Path), required=True, help="A MovieLens movies.csv.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day to write (UTC).")
@click.option("--client", "clients", multiple=True, required=True, help="A client; may be repeated.")
@click.option("--viewers", type=click.IntRange(1), default=600, help="How many join at each client.")
@click.option("--first", type=click.IntRange(1), default=1, help="The first viewer's number.")
@click.option("--seed", type=click.IntRange(0), default=7, help="The same seed writes the same bytes.")
@click.option("--source", default="simulation_data", help="Whose numbering the movie ids are in.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder of the days.")
@click.option(
    "--shift",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="How far the tastes of all have moved to other genres, an older era and another flavour.",
)
@click.option(
    "--faults",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Share of rows that break a rule, of every kind alike; faults.json tells which and how many.",
)
def day(
    movies: Path,
    day: datetime,
    clients: tuple[str, ...],
    viewers: int,
    first: int,
    seed: int,
    source: str,
    out: Path,
    shift: float,
    faults: float,
) -> None:
    """Write a day of data: viewers who join on it, with all that they rated until its end."""
    crowds = [Crowd(name, first + n * viewers, viewers) for n, name in enumerate(clients)]
    told = write_day(movies, out, day.date(), crowds, seed, source, shift=shift, faults=faults)
    for crowd, written in zip(crowds, told, strict=True):
        people, ratings = f"{written.viewers:,} viewers", f"{written.ratings:,} ratings"
        click.echo(f"{crowd.client}: {people} gave {ratings}, {written.mean:.2f} stars on average")
        if written.faults:
            counts = ", ".join(f"{count:,} {rule}" for rule, count in sorted(written.faults.items()))
            click.echo(f"  {sum(written.faults.values()):,} of these rows are faulty: {counts}")
    click.echo(f"sealed: {out / day.date().isoformat()}")


@main.command()
@click.argument("url")
@click.option("--key", envvar="REGISTRATION_KEY", show_envvar=True, help="The operator's registration key.")
@click.option("--key-file", type=click.Path(path_type=Path), help="The file that holds the key.")
@click.option("--username", help="A client that is registered already.")
@click.option("--password", envvar="MARQUEE_PASSWORD", show_envvar=True, help="Its password.")
@click.option("--wait", type=click.FloatRange(0), default=0.0, help="Seconds to wait until the API answers.")
def ask(
    url: str, key: str | None, key_file: Path | None, username: str | None, password: str | None, wait: float
) -> None:
    """Ask a running API for recommendations, as a client from outside, and check the answers.

    Without --username it registers a client of a random name, and leaves nothing behind but that client.
    """
    if username and not password:
        raise click.UsageError("--username wants a --password, or MARQUEE_PASSWORD.")
    known = Login(username, password) if username and password else None
    with opened(url) as account:
        titles = ask_all(account, known, usable(read_key(key_file) if key_file else key), wait)
    click.echo("\n".join(["Recommended:", *(f"  {title}" for title in titles)]))


def read_key(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SimulatorError(f"{path} holds no key that can be read: {error}.") from error


def usable(key: str | None) -> str | None:
    """What a header cannot hold would be repeated in the error."""
    stripped = key.strip() if key else ""
    if not (stripped.isascii() and stripped.isprintable()):
        raise SimulatorError("The registration key has characters that no header can hold.")
    return stripped or None


main.add_command(bench)
main.add_command(days)
main.add_command(calibrate)
main.add_command(weeks)
main.add_command(report)
main.add_command(traffic)
main.add_command(replay)
