"""The statistics of a snapshot, shard by shard: each may be counted by a task of its own, and they add up.

What is counted is kept. The statistics of the next snapshot are made of the newest that are kept by counting
only users whose rows are not the same; the outcome is that of counting all of them, byte for byte.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from recommender.days import TRAINING
from recommender.errors import BadInput, NotFound
from recommender.files import Store
from recommender.learning.changes import Changes
from recommender.learning.kept_statistics import Shard
from recommender.learning.snapshots import Snapshot, open_snapshot
from recommender.model import DEFAULTS, Parameters
from recommender.statistics import Statistics, merged, summed_over

Progress = Callable[[str], None]


def count_shard(
    data: Store,
    digest: str,
    shard: int,
    parameters: Parameters = DEFAULTS,
    progress: Progress = lambda _: None,
) -> Statistics:
    """Of all that the shard holds, or of what is not as it was counted for an earlier snapshot; kept."""
    snapshot = open_snapshot(data, digest)
    if shard not in snapshot.shards:
        raise BadInput(f"Data {digest} are in {len(snapshot.shards)} shards, there is no shard {shard}.")
    return _counted(Shard.of(snapshot, shard, parameters), progress)


def sum_shards(
    snapshot: Snapshot,
    parameters: Parameters = DEFAULTS,
    progress: Progress = lambda _: None,
    *,
    afresh: bool = False,
) -> Statistics:
    """What ``count_shard`` has kept is taken; afresh, every row is counted, and nothing kept."""
    shards = (Shard.of(snapshot, number, parameters) for number in snapshot.shards)
    return merged(
        _count_all(shard, progress) if afresh else _kept(shard, progress) or _counted(shard, progress)
        for shard in shards
    )


def _kept(shard: Shard, progress: Progress) -> Statistics | None:
    try:
        return shard.kept()
    except (BadInput, NotFound) as error:
        progress(f"shard {shard.number + 1} is counted again: {error}")
        return None


def _counted(shard: Shard, progress: Progress) -> Statistics:
    for earlier in _earlier(shard):
        try:
            if sums := _brought_up(earlier, shard, progress):
                return sums
        except (BadInput, NotFound) as error:  # of the rows to count it is said again, by who counts them all
            progress(f"the statistics of {earlier.snapshot.digest} are of no use: {error}")
    sums = _count_all(shard, progress)
    shard.keep(sums, None)
    return sums


def _count_all(shard: Shard, progress: Progress) -> Statistics:
    progress(f"counting shard {shard.number + 1} of {len(shard.snapshot.shards)}")
    return summed_over(shard.dense(), *shard.rows(), shard.values)


def _earlier(shard: Shard) -> list[Shard]:
    """Of other snapshots in as many shards, where it is kept; the newest first."""
    store, found = shard.snapshot.store, list[Shard]()
    for digest in store.names(TRAINING):
        with suppress(BadInput, NotFound):  # not sealed, or damaged, is nothing to start from
            other = replace(shard, snapshot=open_snapshot(store, digest))
            alike = digest != shard.snapshot.digest and other.snapshot.shards == shard.snapshot.shards
            if alike and other.seal():
                found.append(other)
    return sorted(found, key=lambda other: (other.snapshot.about["day"], other.snapshot.digest), reverse=True)


def _brought_up(earlier: Shard, shard: Shard, progress: Progress) -> Statistics | None:
    """None where nothing would be saved."""
    changes = Changes.between(earlier.rows(), shard.rows())
    if not changes.are_few or (before := earlier.kept()) is None:
        return None
    progress(f"{changes.users:,} users changed: counted in place of all {changes.everybody:,}")
    sums = shard.updated(before, changes.old, changes.new)
    about = earlier.snapshot.about
    shard.keep(sums, {"digest": about["digest"], "day": about["day"], "changed_users": changes.users})
    return sums
