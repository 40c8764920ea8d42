"""Processed files: their columns, written as the same bytes each time, read a bounded piece at a time."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.errors import BadInput
from recommender.files import Store


def _always(name: str, kind: pa.DataType) -> "pa.Field[Any]":
    return pa.field(name, kind, nullable=False)


def _list(kind: pa.DataType) -> pa.DataType:
    return pa.list_(_always("element", kind))


def _schema(*fields: "pa.Field[Any]") -> pa.Schema:
    return pa.schema(list(fields))


_CODES = pa.dictionary(pa.int32(), pa.string())
MOVIES_SCHEMA = _schema(
    _always("line", pa.int64()),
    _always("source_id", pa.string()),
    _always("title", pa.string()),
    pa.field("year", pa.int16()),
    _always("kind", pa.string()),
    _always("genres", _list(pa.string())),
)
RATINGS_SCHEMA = _schema(
    _always("external_id", _CODES),
    _always("source_id", _CODES),
    _always("rating", pa.float32()),
    _always("rated_at", pa.float64()),  # unix seconds
    _always("line", pa.int64()),  # of the raw file
)
USERS_SCHEMA = _schema(
    _always("external_id", pa.string()),
    _always("ratings", pa.int32()),
    _always("genre_profile", _list(pa.float32())),  # in the order of the manifest's genres
    pa.field("taste", _list(pa.float32())),  # in the space of the manifest's champion
)
MOVIES, BATCH_ROWS, _GROUP_ROWS = "movies.parquet", 65_536, 131_072


def ratings_part(client: str, part: int) -> str:
    return f"{client}/ratings-{part:03}.parquet"


def users_part(client: str, part: int) -> str:
    """Exactly the users of the ratings' part of this number, in the same order."""
    return f"{client}/users-{part:03}.parquet"


def write_table(stream: BinaryIO, table: pa.Table) -> None:
    write_tables(stream, table.schema, [table])


def write_tables(stream: BinaryIO, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """One after the other, each gone before the next is made; how many rows there were."""
    rows = 0
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.cast(schema), row_group_size=_GROUP_ROWS)
            rows += table.num_rows
    return rows


def read_batches(
    store: Store, path: str, columns: Sequence[str] | None = None, size: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """At most ``size`` rows at a time, in the order of the file."""
    with _opened(store, path) as file:
        yield from file.iter_batches(size, columns=list(columns) if columns else None)


def read_table(store: Store, path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """For a file that is known to be small."""
    with _opened(store, path) as file:
        return file.read(list(columns) if columns else None)


@contextmanager
def _opened(store: Store, path: str) -> Iterator[pq.ParquetFile]:
    with store.reading(path) as stream:
        try:
            yield pq.ParquetFile(stream)
        except pa.ArrowException as error:
            raise BadInput(f"{store.named(path)} is no Parquet file: {error}") from None
