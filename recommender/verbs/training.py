"""Verbs that make a model."""

import click

from recommender.settings import ModelSettings
from recommender.verbs.opening import open_database, say


@click.command()
def train() -> None:
    """Fit a model on every rating, publish it, and fold all users into its space."""
    from pathlib import Path

    from recommender.training import train as fit

    version, new = fit(open_database(), Path(ModelSettings.read().models_url), say)
    say(f"model {version} is the champion" if new else f"nothing new to learn: {version} stays the champion")
