"""Verbs that measure: how fast a made-up day goes in, how good the lists are, how fast a model is fitted."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recommender.errors import BadInput
from recommender.verbs.opening import say, tell

if TYPE_CHECKING:
    from recommender.bench.days import Bench, Measured
    from recommender.model import Parameters
    from recommender.progress import Progress


@click.group()
def bench() -> None:
    """Measure: a made-up day against an own Postgres in a temporary folder, or the model beside others."""


rows_option = click.option("--rows", type=click.IntRange(min=1_000), default=1_000_000, show_default=True)
json_option = click.option("--json", "as_json", is_flag=True, help="Print what was measured as JSON.")


@bench.command("process")
@rows_option
@json_option
def bench_process(rows: int, as_json: bool) -> None:
    """Rows a second from raw to processed, without a champion, so without tastes."""
    from recommender.bench.days import measure_process

    _bench(measure_process, rows, as_json)


@bench.command("load")
@rows_option
@json_option
def bench_load(rows: int, as_json: bool) -> None:
    """Rows a second from processed to Postgres, and how many times as fast as one commit per row that is."""
    from recommender.bench.days import measure_load

    _bench(measure_load, rows, as_json)


def _bench(measure: "Callable[[Bench, int, Progress], list[Measured]]", rows: int, as_json: bool) -> None:
    from recommender.progress import bars

    with _place() as place, bars() as progress:
        found = measure(place, rows, progress)
    single = found[-1].rate if len(found) > 1 else None
    records = [
        one.as_json() | ({"times_single": round(one.rate / single, 1)} if single else {}) for one in found
    ]
    if as_json:
        say(json.dumps(records))
    for one, record in zip(found, [] if as_json else records, strict=False):
        peak = f", {one.peak_mb:,.0f} MB at most" if one.peak_mb else ""
        times = f", {record['times_single']:,} times one commit per row" if single else ""
        say(f"{one.what}: {one.rows:,} rows in {one.seconds:.2f} s: {one.rate:,.0f} rows/s{times}{peak}")
    tell(records)


@contextmanager
def _place() -> "Iterator[Bench]":
    import tempfile

    from recommender.bench.days import CLIENT, Bench
    from recommender.database import open_engine, transaction
    from recommender.files import Store
    from recommender.local.scratch import scratch_database
    from recommender.model_store import ModelStore

    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as name, scratch_database(Path(name)) as urls:
        from recommender import accounts

        with transaction(open_engine(urls.owner)) as connection:
            accounts.register(connection, CLIENT, CLIENT, f"{CLIENT}@example.org", "nobody signs in")
        folder = Path(name)
        models = ModelStore.at(folder / "models", folder / "cache")
        yield Bench(open_engine(urls.pipeline), Store.at(folder / "data"), models)


@bench.command("quality")
@click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="A MovieLens folder of any generation.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="Draws of held-out users."
)
@click.option("--parameters", type=click.Path(path_type=Path), help="Our parameters that differ, as JSON.")
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The record: what is there is not measured again.",
)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="A picture, .svg or .png.")
def bench_quality(
    folder: Path, seeds: int, parameters: Path | None, file: Path | None, plot: Path | None
) -> None:
    """Our lists beside those of well-known models, on held-out users and in time order.

    Then where little is known of a user or a title, what low ratings and variety do, and what a retrain
    changes. No database is needed. One that was stopped goes on from its --json.
    """
    from recommender.bench.folders import read_folder
    from recommender.bench.plot import check_plot, write_plot
    from recommender.bench.quality import Quality
    from recommender.bench.record import Record
    from recommender.bench.report import report
    from recommender.bench.summary import summary
    from recommender.progress import bars

    ours = _parameters(parameters)
    if plot:
        check_plot(plot)
    with bars() as progress:
        data = read_folder(folder, progress)
        record = Record.open(file, data)
        Quality(data, ours, range(seeds), record, progress).run()
    found = summary(record.units, range(seeds))
    record.write(found)
    say(report(record.about, found))
    if plot:
        write_plot(plot, record.about, found)
    tell({"verb": "bench quality", **record.about, **found})


def _parameters(file: Path | None) -> "Parameters":
    from recommender.model import DEFAULTS, parameters_of

    if file is None:
        return DEFAULTS
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        tuned = isinstance(written, dict) and "parameters" in written  # by `marquee tune`
        return parameters_of(written if tuned else {"parameters": written})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"{file} cannot be read as parameters of the model: {error}") from None


@bench.command("train")
@click.option("--titles", type=click.IntRange(50), default=10_000, show_default=True)
@click.option("--ratings", type=click.IntRange(1_000), default=1_000_000, show_default=True)
@click.option("--ratings-per-user", "per_user", type=click.IntRange(2), default=50, show_default=True)
@click.option(
    "--repeats", type=click.IntRange(1), default=1, show_default=True, help="Rounds; the best counts."
)
@click.option("--no-als", is_flag=True, help="Leave implicit's ALS out.")
@json_option
def bench_train(titles: int, ratings: int, per_user: int, repeats: int, no_als: bool, as_json: bool) -> None:
    """Statistics and fit of made-up ratings, then of one day more, beside implicit's ALS (64 factors).

    Each part runs in a process of its own. The day is a thousandth of the rows.
    """
    import tempfile

    from recommender.bench.speed import training_report
    from recommender.bench.training import Asked, can_measure_als, measure
    from recommender.progress import bars

    als = not no_als and can_measure_als()
    asked = Asked(titles, ratings, per_user, repeats, als)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as name, bars() as progress:
        found = measure(Path(name), asked, progress)
    say(json.dumps(found) if as_json else training_report(found))
    if not (as_json or als or no_als):
        say("implicit is not installed: with the extra `bench` it stands in the table.")
    tell({"verb": "bench train", **found})


@bench.command("fold-in")
@click.option("--titles", type=click.IntRange(50), default=60_000, show_default=True)
@click.option("--history", type=click.IntRange(0), default=50, show_default=True, help="Ratings of each.")
@click.option("--rank", type=click.IntRange(1), default=256, show_default=True)
@click.option("--lists", type=click.IntRange(1), default=200, show_default=True)
@json_option
def bench_fold_in(titles: int, history: int, rank: int, lists: int, as_json: bool) -> None:
    """From a history to its ten best titles, beside the bare product of all titles with a taste."""
    from recommender.bench.fold_in import measure
    from recommender.bench.speed import fold_in_report
    from recommender.progress import bars

    with bars() as progress:
        found = measure(titles, history, rank, lists, progress)
    say(json.dumps(found) if as_json else fold_in_report(found))
    tell({"verb": "bench fold-in", **found})
