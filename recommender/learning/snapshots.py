"""What a model is trained and judged on: the ratings of one moment, in a folder named by their digest."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from recommender.bulk import unix_seconds
from recommender.catalogue import Catalogue, Movie, rows_in
from recommender.daily.parquet import read_table, write_table
from recommender.database import transaction
from recommender.days import TRAINING
from recommender.errors import BadInput, NotFound
from recommender.evaluation import Ratings
from recommender.files import Store
from recommender.learning.shown import SHOWN, Drawn, write_shown
from recommender.learning.training_data import MOST_USERS, OF_GATE, OF_NEWEST, TO_TRAIN, Named, name_data
from recommender.manifests import Making, Manifest, read_manifest, verify
from recommender.statistics import newest
from recommender.unloading import Part, Rows, WholeUsers, copy_out

Progress = Callable[[str], None]
CATALOGUE, GATE, NEWEST = "catalogue.parquet", "gate.parquet", "newest.parquet"
STATISTICS = "statistics-"  # starts the names of folders, sealed by themselves, of what was counted


def _always(name: str, kind: pa.DataType) -> "pa.Field[Any]":
    return pa.field(name, kind, nullable=False)


def _schema(*fields: "pa.Field[Any]") -> pa.Schema:
    return pa.schema(list(fields))


RATINGS_SCHEMA = _schema(
    _always("user_id", pa.int64()),
    _always("movie_id", pa.int64()),
    _always("rating", pa.float32()),
    _always("rated_at", pa.float64()),  # unix seconds, NaN = unknown
)
NEWEST_SCHEMA = RATINGS_SCHEMA.append(_always("on_day", pa.bool_()))
CATALOGUE_SCHEMA = _schema(
    _always("movie_id", pa.int64()),
    pa.field("year", pa.int16()),
    _always("kind", pa.string()),
    _always("genres", pa.list_(_always("element", pa.string()))),
    _always("ratings", pa.int64()),  # to train on
)


def shard_file(shard: int) -> str:
    return f"ratings-{shard:03}.parquet"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sealed folder."""

    store: Store
    manifest: Manifest

    @property
    def about(self) -> Mapping[str, Any]:
        return self.manifest.about

    @property
    def digest(self) -> str:
        return str(self.about["digest"])

    @property
    def shards(self) -> range:
        return range(self.about["shards"])

    @property
    def folder(self) -> str:
        return f"{TRAINING}/{self.digest}"

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def table(self, name: str, columns: tuple[str, ...] | None = None) -> pa.Table:
        return read_table(self.store, self.path(name), columns)

    def ratings(self, name: str) -> Ratings:
        """Of a shard, of the gate or of the newest users; by user, then by movie."""
        rows = self.table(name, tuple(RATINGS_SCHEMA.names))
        return Ratings(*(column.to_numpy() for column in rows.columns))

    def shown(self) -> dict[int, NDArray[np.int64]]:
        """By user, what lists of ours showed to those to judge by; snapshots of older code know nothing."""
        if self.manifest.entry(SHOWN) is None:
            return {}
        users, movie_ids = (column.to_numpy() for column in self.table(SHOWN).columns)
        starts = np.flatnonzero(np.diff(users, prepend=-1))
        return dict(zip(users[starts].tolist(), np.split(movie_ids, starts)[1:], strict=True))

    def catalogue(self) -> Catalogue:
        """Without titles; popularity is the number of ratings to train on."""
        rows = self.table(CATALOGUE).to_pylist()
        movies = [Movie(r["movie_id"], "", r["year"], r["kind"], tuple(r["genres"])) for r in rows]
        return Catalogue(movies, {row["movie_id"]: row["ratings"] for row in rows})


def open_snapshot(store: Store, digest: str) -> Snapshot:
    manifest = read_manifest(store, f"{TRAINING}/{digest}")
    if manifest is None:
        raise NotFound(f"{store.named(f'{TRAINING}/{digest}')} is not there, or not sealed.")
    return Snapshot(store, manifest)


def sealed_snapshots(store: Store) -> Iterator[Snapshot]:
    for digest in store.names(TRAINING):
        if manifest := read_manifest(store, f"{TRAINING}/{digest}"):
            yield Snapshot(store, manifest)


def drop_statistics(store: Store, folder: str, kept: Collection[str] = ()) -> None:
    """``kept`` are paths of those to be left."""
    for name in store.names(folder):
        if name.startswith(STATISTICS) and f"{folder}/{name}" not in kept:
            store.delete(f"{folder}/{name}")


def take_snapshot(
    engine: Engine,
    data: Store,
    day: date,
    shards: int = 1,
    progress: Progress = lambda _: None,
    unless: Callable[[str], object] = lambda _: None,
    most_users: int = MOST_USERS,
) -> Snapshot:
    """Data that are there already, and whole, are not written again, in however many shards they are.

    ``unless`` is given the digest before anything is written, and may raise.
    """
    with transaction(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
        named = name_data(connection, day, most_users)
        digest = named.about["digest"]
        progress(f"{named.about['ratings']:,} ratings of {named.about['users']:,} users: data {digest}")
        for client, users in named.left_out.items():
            progress(f"LEFT OUT: {users:,} users of client {client}, who came after its first {most_users:,}")
        unless(digest)
        manifest = read_manifest(data, f"{TRAINING}/{digest}")
        if manifest is None or not _whole(data, manifest):
            manifest = _write(connection, data, named, shards, progress)
        return Snapshot(data, manifest)


def _whole(data: Store, manifest: Manifest) -> bool:
    if not {"erased", "erasing"}.isdisjoint(manifest.about):
        return False
    try:
        for entry in manifest.files:
            verify(data, f"{TRAINING}/{manifest.about['digest']}", entry)
    except (BadInput, NotFound):
        return False
    return True


_COLUMNS = {"user_id": "i8", "movie_id": "i8", "rating": "f4", "rated_at": "i8"}


def _write(connection: Connection, data: Store, named: Named, shards: int, progress: Progress) -> Manifest:
    making = Making(data, folder := f"{TRAINING}/{named.about['digest']}")
    drop_statistics(data, folder)
    counts = _write_shards(connection, making, named, shards)
    progress("ratings to train on are written; now those to judge by")
    _write_catalogue(making, named.catalogue, counts)
    asked = Drawn()
    whole = WholeUsers(asked.add)
    in_gate = _write_rows(connection, making, GATE, OF_GATE, named, RATINGS_SCHEMA, whole.add)
    whole.finish()
    newest_users = _write_rows(connection, making, NEWEST, OF_NEWEST, named, NEWEST_SCHEMA)
    write_shown(connection, making, newest_users.union(asked.users), named.about["day"])
    return making.seal(named.about | {"shards": shards, "gate_users": len(in_gate)})


def _write_shards(connection: Connection, making: Making, named: Named, shards: int) -> NDArray[np.int64]:
    """How often each movie of the catalogue was rated."""
    movie_ids = np.array([row[0] for row in named.catalogue], np.int64)
    counts = np.zeros(len(movie_ids), np.int64)
    with ExitStack() as opened:
        files = [opened.enter_context(making.file(shard_file(shard))) for shard in range(shards)]
        parts = [opened.enter_context(Part(file.as_file(), RATINGS_SCHEMA)) for file in files]

        def take(rows: Rows) -> None:
            rows = rows[newest(rows["user_id"], rows["movie_id"], unix_seconds(rows["rated_at"]))]
            counts[:] += np.bincount(rows_in(movie_ids, rows["movie_id"]), minlength=len(counts))
            table, owner = _table(rows, RATINGS_SCHEMA), rows["user_id"] % shards
            for shard, part in enumerate(parts):
                part.add(table.filter(pa.array(owner == shard)))

        whole = WholeUsers(take)
        copy_out(connection, TO_TRAIN, named.to_train, _COLUMNS, whole.add)
        whole.finish()
        for file, part in zip(files, parts, strict=True):
            file.rows = part.rows
    return counts


def _write_rows(
    connection: Connection,
    making: Making,
    name: str,
    query: str,
    named: Named,
    schema: pa.Schema,
    also: Callable[[Rows], None] = lambda _: None,
) -> set[int]:
    """The users in the file."""
    users: set[int] = set()
    columns = _COLUMNS | ({"on_day": "?"} if schema is NEWEST_SCHEMA else {})
    with making.file(name) as file, Part(file.as_file(), schema) as part:

        def take(rows: Rows) -> None:
            users.update(np.unique(rows["user_id"]).tolist())
            part.add(_table(rows, schema))
            also(rows)

        copy_out(connection, query, named.to_judge, columns, take)
        file.rows = part.rows
    return users


def _table(rows: Rows, schema: pa.Schema) -> pa.Table:
    columns: dict[str, Any] = {name: np.ascontiguousarray(rows[name]) for name in schema.names}
    return pa.table(columns | {"rated_at": unix_seconds(columns["rated_at"])}, schema)


def _write_catalogue(making: Making, catalogue: Sequence[Any], counts: NDArray[np.int64]) -> None:
    rows = [
        dict(zip(CATALOGUE_SCHEMA.names, (*row, count), strict=True))
        for row, count in zip(catalogue, counts.tolist(), strict=True)
    ]
    with making.file(CATALOGUE, len(rows)) as file:
        write_table(file.as_file(), pa.Table.from_pylist(rows, CATALOGUE_SCHEMA))
