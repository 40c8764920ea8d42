"""The command marquee. Each verb is one thing that a person, or a step of a DAG, can do by hand."""

import click

from recommender.spoken import Spoken
from recommender.verbs.clients import clients
from recommender.verbs.operation import import_, migrate, roles, tidy
from recommender.verbs.training import train


@click.group(cls=Spoken, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--record",
    metavar="FILE",
    help="Write what the verb did to this file as JSON; - prints it as the last line.",
)
def main(record: str | None) -> None:
    """Movie recommendations for streaming platforms.

    Verbs read their settings from the environment: DATABASE_URL above all. A verb that has nothing to do
    says why and exits with 99.
    """


for verb in (roles, migrate, import_, train, tidy, clients):
    main.add_command(verb)
