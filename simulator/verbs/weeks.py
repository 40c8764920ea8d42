"""The verbs weeks and report: one world, and worlds side by side."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import get_args

import click
from tqdm import tqdm

from simulator.errors import SimulatorError
from simulator.weeks.compare import WORLDS, Comparison, read_runs
from simulator.weeks.diary import Night
from simulator.weeks.page import drawn, page, summary
from simulator.weeks.platform import by_command
from simulator.weeks.run import Options, Place, live
from simulator.weeks.world import Learns

OPENING = "2026-01-05"  # fixed, so that a run can be repeated


@click.command()
@click.argument("weeks", type=click.IntRange(1))
@click.option("--url", default="http://127.0.0.1:8000", help="The API's address.")
@click.option("--username", required=True, help="A registered client; its viewers live on this platform.")
@click.option("--password", envvar="MARQUEE_PASSWORD", show_envvar=True, required=True, help="Its password.")
@click.option("--marquee", default="marquee local run", help="The command that runs the platform's verbs.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="The platform's folder of days, its DATA_URL.",
)
@click.option("--movies", type=click.Path(path_type=Path), required=True, help="A MovieLens movies.csv.")
@click.option("--viewers", type=click.IntRange(1), default=300, help="How many there are at the opening.")
@click.option("--joining", type=click.FloatRange(0), default=6.0, help="How many join each day.")
@click.option("--named", type=click.IntRange(1), default=30, help="Titles each has rated when she comes.")
@click.option("--new-titles", type=click.FloatRange(0, 1), default=0.1, help="Share that joins in the weeks.")
@click.option(
    "--learns",
    type=click.Choice(get_args(Learns)),
    default="daily",
    help="daily: each night; once: until the gate lets one model pass; never: popularity serves.",
)
@click.option(
    "--every", type=click.IntRange(1), default=1, help="With daily: learn every so many nights only."
)
@click.option("--opening", type=click.DateTime(["%Y-%m-%d"]), default=OPENING, help="The first day (UTC).")
@click.option(
    "--seed", type=click.IntRange(0), default=7, help="The same seed is the same viewers and moods."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The record to write (JSON).")
def weeks(
    weeks: int,
    url: str,
    username: str,
    password: str,
    marquee: str,
    data: Path,
    movies: Path,
    viewers: int,
    joining: float,
    named: int,
    new_titles: float,
    learns: Learns,
    every: int,
    opening: datetime,
    seed: int,
    out: Path,
) -> None:
    """Live through weeks on one platform: traffic, the day's files, the DAGs' verbs, a new model, traffic.

    Each day viewers ask for lists and take, watch and rate; its night runs fetch, process and load, then
    train, evaluate, publish and refold. A simulated day must lie in the past.
    """
    options = Options(weeks, viewers, joining, named, new_titles, learns, every, opening.date(), seed)
    place = Place(url, username, password, data, by_command(marquee))
    with tqdm(total=options.days + 1, desc="Days", unit=" days", disable=None) as bar:

        def tell(_: Night) -> None:
            bar.update()

        record = live(movies, options, place, tell)
    write(out, json.dumps(record, indent=1) + "\n")
    whole = record["whole"]
    click.echo(
        f"{WORLDS[learns]}: {whole['lists']:,} lists, regret {whole['regret']:.3f} a title,"
        f" oracle NDCG@10 {whole['ndcg']:.3f}, {whole['taken']:.2f} titles taken a list: {out}"
    )


@click.command()
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the comparison here too.")
@click.option("--page", "page_file", type=click.Path(path_type=Path), help="Write a page with plots (HTML).")
@click.option("--picture", type=click.Path(path_type=Path), help="Write the plots alone (SVG).")
def report(
    records: tuple[Path, ...], json_file: Path | None, page_file: Path | None, picture: Path | None
) -> None:
    """Set the worlds of `weeks` side by side: RECORDS are its files, or folders of them."""
    found = Comparison(read_runs(records))
    click.echo(summary(found))
    makers: list[tuple[Path | None, Callable[[], str]]] = [
        (json_file, lambda: json.dumps(found.record(), indent=1) + "\n"),
        (page_file, lambda: page(found)),
        (picture, lambda: drawn(found) + "\n"),
    ]
    for file, make in makers:
        if file:
            write(file, make())


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SimulatorError(f"{path}: {error.strerror}.") from error
