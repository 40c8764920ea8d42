"""How long the data of a training and its model are kept, and that nobody stays in them who was deleted."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from recommender.catalogue import rows_in
from recommender.daily.parquet import write_table
from recommender.database import transaction
from recommender.days import TRAINING, begins
from recommender.errors import BadInput, NotFound
from recommender.files import Store
from recommender.learning.changes import UserRows
from recommender.learning.chosen import JOURNAL, PARAMETERS
from recommender.learning.kept_statistics import Shard, kept_shards
from recommender.learning.shown import SHOWN
from recommender.learning.snapshots import (
    CATALOGUE,
    GATE,
    NEWEST,
    STATISTICS,
    Snapshot,
    drop_statistics,
    sealed_snapshots,
    shard_file,
)
from recommender.learning.training import alone
from recommender.manifests import seal_as_it_is
from recommender.model_store import ModelStore
from recommender.registry import fileless, let_files_go, lock_champion
from recommender.unloading import Part

Ints = NDArray[np.int64]
EARLIER_CHAMPIONS = 3  # whose data are kept
CHAMPIONS = 5  # the last, whose files are kept
CANDIDATE_DAYS = timedelta(days=7)
_AT_ONCE = 100_000
_ALIVE = text("SELECT user_id FROM users WHERE user_id = ANY(:ids)")
_KEPT = text("""
    WITH champions AS (
        SELECT version, max(published_at) AS last FROM publications
        WHERE version NOT IN (SELECT champion FROM serving WHERE champion IS NOT NULL)
        GROUP BY version ORDER BY last DESC LIMIT :earlier
    ), newest AS (
        SELECT version FROM models WHERE status = 'candidate' ORDER BY trained_at DESC, version LIMIT 1
    )
    SELECT card #>> '{data,digest}' FROM models WHERE card #>> '{data,digest}' IS NOT NULL AND version IN (
        SELECT version FROM champions UNION SELECT version FROM newest UNION SELECT champion FROM serving
    )
""")
# The last trained is the one that `evaluate` and `publish` take when none is named.
_NEEDED = text("""
    SELECT champion FROM serving
    UNION SELECT replaced FROM publications JOIN serving ON version = champion
    UNION (
        SELECT version FROM publications GROUP BY version ORDER BY max(publication_id) DESC LIMIT :champions
    )
    UNION SELECT version FROM models WHERE status <> 'published' AND trained_at >= :since
    UNION (SELECT version FROM models ORDER BY trained_at DESC, version LIMIT 1)
""")
_REGISTERED = text("SELECT version FROM models")


def tidy_models(engine: Engine, models: ModelStore, day: date) -> list[str]:
    """Deletes the files of versions that nobody goes back to; the registry keeps the versions.

    It says so before the files go, so that none of them is published, and that a retry goes on.
    """
    with alone(engine, wait=True):
        kept = set(models.store.names())
        with transaction(engine) as connection:
            lock_champion(connection)
            asked = {"champions": CHAMPIONS, "since": begins(day) - CANDIDATE_DAYS}
            needed = set(connection.execute(_NEEDED, asked).scalars())
            let_files_go(connection, kept & set(connection.execute(_REGISTERED).scalars()) - needed)
            gone = sorted(kept & fileless(connection))
        for version in gone:
            models.delete(version)
        models.sweep()
    return gone


def tidy_snapshots(engine: Engine, data: Store) -> tuple[int, int]:
    """How many snapshots were dropped, and how many users erased from the others. Waits for a training."""
    with alone(engine, wait=True):
        with transaction(engine) as connection:
            keep = set(connection.execute(_KEPT, {"earlier": EARLIER_CHAMPIONS}).scalars())
        return drop_old_snapshots(data, keep), erase_users(engine, data)


def drop_old_snapshots(data: Store, keep: set[str]) -> int:
    """Those of the newest day stay: a training may be about to read them."""
    sealed = list(sealed_snapshots(data))
    newest = max((snapshot.about["day"] for snapshot in sealed), default=None)
    stay = keep | {snapshot.digest for snapshot in sealed if snapshot.about["day"] == newest}
    names = [name for name in data.names(TRAINING) if f"{TRAINING}/{name}" not in (PARAMETERS, JOURNAL)]
    gone = [digest for digest in names if digest not in stay]
    for digest in gone:
        data.delete(f"{TRAINING}/{digest}")
    for snapshot in sealed:  # whose statistics are of use to the next, the others are only kept to be read
        if snapshot.about["day"] != newest:
            drop_statistics(data, snapshot.folder)
    return len(gone)


def erase_users(engine: Engine, data: Store) -> int:
    """Takes users who were deleted out of every snapshot; how many rows of whom there were."""
    return sum(_erase(engine, snapshot) for snapshot in sealed_snapshots(data))


def deleted_users(engine: Engine, snapshot: Snapshot) -> int:
    """How many users whom a model was trained on are there no longer, erased from the files or not."""
    with transaction(engine) as connection:
        alive = sum(len(_alive(connection, users)) for users in _trained(snapshot))
    return int(snapshot.about["users"]) - alive


def _trained(snapshot: Snapshot) -> Iterator[Ints]:
    for shard in snapshot.shards:
        yield _users(snapshot, shard_file(shard))


def _users(snapshot: Snapshot, name: str) -> Ints:
    return np.unique(snapshot.table(name, ("user_id",))["user_id"].to_numpy())


def _alive(connection: Connection, users: Ints) -> Ints:
    """Ascending, like the users."""
    found: list[int] = []
    for start in range(0, len(users), _AT_ONCE):
        some = users[start : start + _AT_ONCE].tolist()
        found += connection.execute(_ALIVE, {"ids": some}).scalars()
    return np.sort(np.array(found, np.int64))


def _erase(engine: Engine, snapshot: Snapshot) -> int:
    """The seal says before the first file is changed that it does not hold, so that a retry goes on."""
    names = [*(shard_file(shard) for shard in snapshot.shards), GATE, NEWEST]
    names += [SHOWN] * (snapshot.manifest.entry(SHOWN) is not None)
    with transaction(engine) as connection:
        gone = {
            name: np.setdiff1d(users := _users(snapshot, name), _alive(connection, users)) for name in names
        }
    if not any(len(users) for users in gone.values()) and not snapshot.about.get("erasing"):
        return 0
    # Who was cut short does not know any more whom the statistics hold.
    counted = [] if snapshot.about.get("erasing") else list(kept_shards(snapshot))
    drop_statistics(snapshot.store, snapshot.folder, {shard.folder for shard in counted})
    theirs = [UserRows.of(snapshot, k).of_users(gone[shard_file(k)]) for k in snapshot.shards]
    about = {key: value for key, value in snapshot.about.items() if key != "erasing"}
    _seal(snapshot, about | {"erasing": True})
    for name, users in gone.items():
        if len(users):
            _rewrite(snapshot, name, users)
    _count_again(snapshot)
    rewritten = _seal(snapshot, about | {"erasing": True})
    for shard in counted:
        _subtract(shard, rewritten, theirs[shard.number])
    _seal(snapshot, about | {"erased": about["users"] - sum(len(users) for users in _trained(snapshot))})
    return len(np.unique(np.concatenate(list(gone.values()))))


def _seal(snapshot: Snapshot, about: Mapping[str, Any]) -> Snapshot:
    manifest = seal_as_it_is(snapshot.store, snapshot.folder, about, besides=(STATISTICS,))
    return Snapshot(snapshot.store, manifest)


def _subtract(shard: Shard, rewritten: Snapshot, rows: UserRows) -> None:
    """What cannot be read is dropped: it would be counted again anyhow."""
    after = replace(shard, snapshot=rewritten)
    if after.seal():
        return  # only users that it is not counted from are gone
    try:
        before = shard.kept()
    except (BadInput, NotFound):
        before = None
    if before is None:
        shard.snapshot.store.delete(shard.folder)
    else:
        about = {name: rewritten.about[name] for name in ("digest", "day")}
        sums = after.updated(before, rows, UserRows.none())
        after.keep(sums, about | {"erased_users": before.users - sums.users})


def _rewrite(snapshot: Snapshot, name: str, without: Ints) -> None:
    table = snapshot.table(name)
    kept = table.filter(pa.array(~np.isin(table["user_id"].to_numpy(), without)))
    with snapshot.store.writing(snapshot.path(name)) as stream, Part(stream, table.schema) as part:
        part.add(kept)


def _count_again(snapshot: Snapshot) -> None:
    """The ratings of each movie in the catalogue, after rows were taken out of the shards."""
    table = snapshot.table(CATALOGUE)
    movie_ids = table["movie_id"].to_numpy()
    counts = np.zeros(len(movie_ids), np.int64)
    for shard in snapshot.shards:
        rated = snapshot.table(shard_file(shard), ("movie_id",))["movie_id"].to_numpy()
        counts += np.bincount(rows_in(movie_ids, rated), minlength=len(counts))
    place = table.schema.get_field_index("ratings")
    with snapshot.store.writing(snapshot.path(CATALOGUE)) as stream:
        write_table(stream, table.set_column(place, table.schema.field(place), pa.array(counts)))
