"""The command marquee. Each verb is one thing that a person, or a step of a DAG, can do by hand."""

import click

from recommender.spoken import Spoken
from recommender.verbs.backups import backups
from recommender.verbs.benches import bench
from recommender.verbs.clients import clients
from recommender.verbs.days import fetch, process, seal, status
from recommender.verbs.jobs import recorded
from recommender.verbs.loads import honour_deletions, load, replay
from recommender.verbs.models import evaluate, model, models, publish, rollback
from recommender.verbs.operation import import_, migrate, roles, starter, tidy
from recommender.verbs.serving import drift, recommend_all, refold
from recommender.verbs.training import count, reproduce, snapshot, train
from recommender.verbs.tuning import tune


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


VERBS: tuple[click.Command, ...] = (
    *(roles, migrate, starter, import_, clients, tidy, backups, bench),
    *(seal, fetch, process, load, replay, status, honour_deletions),
    *(snapshot, count, train, tune, evaluate, publish, rollback, reproduce, models, model),
    *(refold, recommend_all, drift),
)
JOBS = (
    *(fetch, process, load, replay, import_, tidy),
    *(snapshot, count, train, evaluate, publish, rollback, refold, recommend_all, drift),
)
for verb in VERBS:
    main.add_command(recorded(verb) if verb in JOBS else verb)
