"""Verbs for what follows a publication: users folded into its space, lists for the night, and drift."""

from datetime import date

import click

from recommender.verbs.opening import day_option, open_data, open_database, open_models, say, tell


@click.command()
def refold() -> None:
    """Give every user a taste vector in the champion's space, and a profile of genres."""
    from recommender.learning.refolding import refold as fold
    from recommender.progress import bars

    with bars() as progress:
        users = fold(open_database(), open_models(), progress)
    say(f"{users:,} users folded")
    tell({"users": users})


@click.command("recommend-all")
@day_option
def recommend_all(day: date) -> None:
    """Make the day's lists for every user of the clients that ask for them."""
    from recommender.learning.nightly import recommend_all as list_all
    from recommender.progress import bars

    with bars() as progress:
        users = list_all(open_database(), open_models(), day, progress)
    say(f"{users:,} lists of {day} made")
    tell({"day": day, "lists": users})


@click.command()
@day_option
def drift(day: date) -> None:
    """Say how the day's histories differ from those that the champion was trained on."""
    from dataclasses import asdict

    from recommender.learning.drift import drift as compare
    from recommender.progress import bars

    with bars() as progress:
        measures = compare(open_database(), open_data(), open_models(), day, progress)
    for measure in measures:
        say(measure.words)
    tell({"day": day, "measures": [asdict(measure) for measure in measures]})
