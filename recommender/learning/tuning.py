"""Parameters chosen on a snapshot: on what is trained with, which neither gate nor newest day is in."""

import numpy as np
from sqlalchemy import Engine

from recommender.evaluation import Ratings
from recommender.files import Store
from recommender.learning.chosen import JOURNAL, choose, chosen
from recommender.learning.snapshots import CATALOGUE, Snapshot, open_snapshot, shard_file
from recommender.learning.training import alone, code_version, whole
from recommender.manifests import verify
from recommender.progress import Progress
from recommender.tuning.journal import Journal
from recommender.tuning.tune import Tuned, tune

_COLUMNS = ("users", "movie_ids", "ratings", "times")


def tune_snapshot(engine: Engine, data: Store, digest: str, *, only_likes: bool, progress: Progress) -> Tuned:
    """What is better than the choice in force takes its place."""
    with alone(engine):  # so that no user is erased from the files while they are read
        snapshot = whole(open_snapshot(data, digest))
        ratings, catalogue = _to_train(snapshot), snapshot.catalogue()
    about = {"digest": digest, "day": snapshot.about["day"], "code": code_version()}
    found = tune(
        catalogue,
        ratings,
        about,
        only_likes=only_likes,
        journal=Journal(data, JOURNAL),
        in_force=chosen(data),
        progress=progress,
    )
    if found.is_better:
        choose(data, found.choice)
    return found


def _to_train(snapshot: Snapshot) -> Ratings:
    names = {CATALOGUE, *map(shard_file, snapshot.shards)}
    for entry in snapshot.manifest.files:
        if entry.path in names:
            verify(snapshot.store, snapshot.folder, entry)
    parts = [snapshot.ratings(shard_file(shard)) for shard in snapshot.shards]
    return Ratings(*(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))
