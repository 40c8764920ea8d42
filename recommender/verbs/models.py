"""Verbs for versions of the model: judge one, make it the champion, go back, and look."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recommender.verbs.opening import (
    force_option,
    in_database,
    open_data,
    open_database,
    open_models,
    say,
    tell,
)

if TYPE_CHECKING:
    from recommender.registry import Entry

_OUTCOMES = {
    "passed": "the gate lets it pass",
    "refused": "the gate refuses it",
    "unjudged": "the gate could not judge it",
}
version_argument = click.argument("version", required=False, metavar="[VERSION]")


@click.command()
@version_argument
def evaluate(version: str | None) -> None:
    """Measure a candidate beside popularity and the champion, and record what the gate says.

    Without VERSION: the one that was trained last.
    """
    from recommender.learning.judging import evaluate as judged

    verdict = judged(open_database(), open_data(), open_models(), version, say)
    judged_version = verdict.figures["candidate"]
    say(f"{judged_version}: {_OUTCOMES[verdict.outcome]}")
    for reason in verdict.reasons:
        say(f"  {reason}")
    tell({"version": judged_version, **asdict(verdict)})


@click.command()
@version_argument
@force_option
def publish(version: str | None, reason: str | None) -> None:
    """Make a candidate the champion, as it was judged. What the gate refused is skipped.

    Without VERSION: the one that was trained last. A reason publishes what was refused, or was rolled back,
    but never what is damaged.
    """
    from recommender.learning.publishing import publish as made

    done = made(open_database(), open_models(), version, reason or None)
    forced = f", by force: {done.reason}" if done.kind == "forced" else ""
    say(f"{done.version} is the champion{_instead(done.replaced)}{forced}")
    tell(asdict(done))


@click.command()
@version_argument
@click.option("--reason", required=True, help="Why; it is kept.")
def rollback(version: str | None, reason: str) -> None:
    """Go back to an earlier champion, and stay there until a newer candidate passes the gate.

    Without VERSION: to the one that the champion replaced. `marquee refold` then folds the users again.
    """
    from recommender.learning.publishing import rollback as back

    done = back(open_database(), open_models(), version, reason)
    say(f"{done.version} is the champion again{_instead(done.replaced)}")
    say(f"{done.replaced} comes again only with a reason: marquee publish {done.replaced} --force REASON")
    say("Users are folded again when they are met; marquee refold does it for all of them now.")
    tell(asdict(done))


def _instead(replaced: str | None) -> str:
    return f", in place of {replaced}" if replaced else ""


@click.command()
def models() -> None:
    """List every version, the last trained first. * is the champion."""
    from recommender.registry import entries

    with in_database() as connection:
        found = entries(connection)
    for entry in found:
        say(_listed(entry))
    if not found:
        say("No model was trained yet.")
    tell({"models": [{"version": e.version, "status": e.status, "champion": e.champion} for e in found]})


def _listed(entry: "Entry") -> str:
    from recommender.learning.gate import SAID
    from recommender.learning.model_page import minute

    measured = entry.metrics.get("candidate", {}).get("strong", {}).get("all")
    quality = f"NDCG@10 {measured['ndcg']['mean']:.3f}" if measured else "not measured"
    verdict = SAID[entry.verdict["outcome"]] if entry.verdict else "waits for the gate"
    published = f"published {minute(entry.published_at)}" if entry.published_at else "not published"
    mark = "*" if entry.champion else " "
    return f"{mark} {entry.version}  {entry.day or 'no day'!s:10}  {quality:14} {verdict:18} {published}"


@click.group()
def model() -> None:
    """One version of the model."""


@model.command()
@click.argument("version")
@click.option(
    "--page", type=click.Path(path_type=Path, file_okay=False), help="Write it to this folder, with a plot."
)
def show(version: str, page: Path | None) -> None:
    """The card of a version: its data, its quality by group of users, the verdict, and when it served."""
    from recommender.learning.model_page import page as written
    from recommender.learning.model_page import write_page
    from recommender.registry import publications, read_card

    with in_database() as connection:
        card = {**read_card(connection, version), "publications": publications(connection, version)}
    if page is None:
        say(written(card).rstrip())
    else:
        write_page(card, page)
        say(f"the card of {version} is in {page}")
    tell({"version": version, "status": card["status"], "champion": card["champion"]})
