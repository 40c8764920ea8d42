"""The statistics of a snapshot, shard by shard: each may be counted by a task of its own, and they add up."""

import hashlib
import json
from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np

from recommender.errors import BadInput
from recommender.files import Store
from recommender.learning.snapshots import CATALOGUE, Snapshot, open_snapshot, shard_file
from recommender.manifests import verify
from recommender.model import DEFAULTS, Parameters
from recommender.statistics import Statistics, most_rated, summed_over


def count_shard(data: Store, digest: str, shard: int, parameters: Parameters = DEFAULTS) -> Statistics:
    """Counts the shard and keeps its statistics beside it."""
    snapshot = open_snapshot(data, digest)
    if shard not in snapshot.shards:
        raise BadInput(f"Data {digest} are in {len(snapshot.shards)} shards, there is no shard {shard}.")
    counted = _counted(snapshot, shard, parameters)
    with data.writing(snapshot.path(statistics_file(shard, parameters))) as stream:
        counted.write(stream)
    return counted


def sum_shards(
    snapshot: Snapshot,
    parameters: Parameters = DEFAULTS,
    progress: Callable[[str], None] = lambda _: None,
    *,
    afresh: bool = False,
) -> Statistics:
    """What is kept of ``count_shard`` is taken, unless afresh; the other shards are counted here."""
    return reduce(
        add, (_of_shard(snapshot, shard, parameters, progress, afresh) for shard in snapshot.shards)
    )


def statistics_file(shard: int, parameters: Parameters) -> str:
    """Names the parameters that the statistics depend on."""
    what = json.dumps([parameters.values, parameters.dense_limit])
    return f"statistics-{hashlib.sha256(what.encode()).hexdigest()[:8]}-{shard:03}.npz"


def _of_shard(
    snapshot: Snapshot, shard: int, parameters: Parameters, progress: Callable[[str], None], afresh: bool
) -> Statistics:
    path = snapshot.path(statistics_file(shard, parameters))
    if not afresh and snapshot.store.exists(path):
        try:
            with snapshot.store.reading(path) as stream:
                return Statistics.read(stream)
        except BadInput as error:
            progress(f"shard {shard + 1} is counted again: {error}")
    progress(f"counting shard {shard + 1} of {len(snapshot.shards)}")
    return _counted(snapshot, shard, parameters)


def _counted(snapshot: Snapshot, shard: int, parameters: Parameters) -> Statistics:
    """Which movies are solved for is decided by the ratings of all shards."""
    for entry in snapshot.manifest.files:
        if entry.path in (CATALOGUE, shard_file(shard)):
            verify(snapshot.store, snapshot.folder, entry)
    movies = snapshot.table(CATALOGUE, ("movie_id", "ratings"))
    ids, counts = (column.to_numpy() for column in movies.columns)
    rated = counts > 0
    dense = most_rated(ids[rated], counts[rated], parameters.dense_limit)
    rows = snapshot.table(shard_file(shard), ("user_id", "movie_id", "rating"))
    users, movie_ids, ratings = (np.asarray(column) for column in rows.columns)
    return summed_over(dense, users, movie_ids, ratings, parameters.values)
