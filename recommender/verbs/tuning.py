"""The verb that chooses the parameters of the model, on a folder or for the platform."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recommender.errors import Failed
from recommender.settings import DataSettings
from recommender.verbs.opening import DayType, open_data, open_database, open_models, say, tell
from recommender.verbs.training import shards_option

if TYPE_CHECKING:
    from recommender.tuning.tune import Tuned

_PROTOCOLS = {"strong": "held-out users", "temporal": "in time order"}


@click.command()
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    help="A MovieLens folder of any generation, instead of a snapshot.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --data: the parameters go to this file, and what was measured to one beside it.",
)
@click.option("--day", type=DayType(), metavar="YYYY-MM-DD", help="Choose on the ratings from before it.")
@shards_option
@click.option(
    "--digest", metavar="DIGEST", help="Choose on this snapshot. [default: the one of the day's data now]"
)
@click.option(
    "--history",
    type=click.Choice(["all", "likes"]),
    default="all",
    show_default=True,
    help="What the histories will hold that clients send: all ratings, or likes only.",
)
@click.option("--reset", is_flag=True, help="Go back to the defaults.")
def tune(
    folder: Path | None,
    out: Path | None,
    day: date | None,
    shards: int,
    digest: str | None,
    history: str,
    reset: bool,
) -> None:
    """Choose the model's parameters on ratings that are held back from training.

    What is clearly better on held-out users and in time order together is kept, and the next snapshot,
    count and train use it; else all stays as it is. One that was stopped goes on where it was.
    """
    given = [bool(folder), bool(day), bool(digest), reset]
    if sum(given) != 1 or bool(folder) != bool(out):
        raise click.UsageError("Give --data and --out, or --day, or --digest, or --reset.")
    if reset:
        _reset()
    elif folder and out:
        _tune_folder(folder, out, history == "likes")
    else:
        _tune_snapshot(day, digest or None, shards, history == "likes")


def _reset() -> None:
    from recommender.learning.chosen import forget_choice

    there = forget_choice(open_data())
    say(
        "Models are trained with the defaults again."
        if there
        else "Nothing was chosen: these are the defaults."
    )
    tell({"verb": "tune", "reset": there})


def _tune_folder(folder: Path, out: Path, only_likes: bool) -> None:
    from recommender.bench.folders import read_folder
    from recommender.files import Store
    from recommender.learning.training import code_version
    from recommender.progress import bars
    from recommender.tuning.choice import Choice
    from recommender.tuning.journal import Journal
    from recommender.tuning.tune import tune as choose

    store, journal = Store.at(out.parent), out.with_suffix(".journal")
    if journal == out:
        raise click.UsageError("--out is for the parameters; what ends in .journal is for what was measured.")
    if out.exists():
        Choice.read(out.read_bytes(), str(out))
    try:
        with bars() as progress:
            data = read_folder(folder, progress)
            about = {"data": data.name, "digest": data.digest, "code": code_version()}
            kept = Journal(store, journal.name)
            found = choose(
                data.catalogue, data.ratings, about, only_likes=only_likes, journal=kept, progress=progress
            )
    except KeyboardInterrupt:
        raise _stopped(str(journal)) from None
    store.write(out.name, found.choice.written())
    _say(found, "the defaults")
    held = "the parameters" if found.is_better else "the defaults"
    say(f"{out} holds {held}; {journal} holds what was measured.")
    _tell(found)


def _tune_snapshot(day: date | None, digest: str | None, shards: int, only_likes: bool) -> None:
    from recommender.learning.chosen import JOURNAL, chosen
    from recommender.learning.training import snapshot_to_train
    from recommender.learning.tuning import tune_snapshot
    from recommender.progress import bars

    engine, data = open_database(), open_data()
    before = "the defaults" if chosen(data).about is None else "what was chosen before"
    try:
        if digest is None and day:
            most = DataSettings.read().learn_users
            digest = snapshot_to_train(
                *(engine, data, open_models(), day),
                reason="tuning",
                shards=shards,
                most_users=most,
                progress=say,
            ).digest
        with bars() as progress:
            found = tune_snapshot(engine, data, digest or "", only_likes=only_likes, progress=progress)
    except KeyboardInterrupt:
        raise _stopped(data.named(JOURNAL)) from None
    _say(found, before)
    _tell(found)


def _say(found: "Tuned", before: str) -> None:
    for step in found.taken:
        change = ", ".join(f"{name} {_written(value)}" for name, value in step.change.items())
        say(f"taken: {change}")
    for protocol, gain in found.compared.gains.items():
        figures = f"{gain.before:.4f} to {gain.after:.4f}, {gain.gain:+.4f} ± {gain.error:.4f}"
        say(f"{_PROTOCOLS[protocol]}: NDCG@10 {figures} over {gain.cases:,} lists")
    if not found.is_better:
        say(f"Nothing was found that is better than {before} beyond noise: nothing changes.")


def _tell(found: "Tuned") -> None:
    tell({"verb": "tune", "better": found.is_better, **json.loads(found.choice.written())})


def _written(value: object) -> str:
    if value is None:
        return "by the number of movies"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _stopped(journal: str) -> Failed:
    return Failed(f"Stopped. What was measured is kept in {journal}: the same command goes on from there.")
