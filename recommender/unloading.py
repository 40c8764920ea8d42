"""Rows out of Postgres by COPY in its binary format, as tables, a bounded piece at a time."""

from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Self

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.errors import Away

Rows = NDArray[np.void]  # a field for each column
_HEADER, _AT_ONCE, _GROUP_ROWS = 19, 131_072, 65_536


def copy_out(
    connection: Connection,
    query: str,
    values: Mapping[str, object],
    columns: Mapping[str, str],
    take: Callable[[Rows], None],
) -> None:
    """``columns`` are numpy's type codes; no value may be NULL."""
    cursor: Any = connection.connection.cursor()
    try:
        wanted = cursor.mogrify(str(text(query).compile(connection.engine)), dict(values)).decode()
        rows = _Decoded(columns, take)
        cursor.copy_expert(f"COPY ({wanted}) TO STDOUT (FORMAT binary)", rows)
        rows.finish()
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise Away("The database went away while rows were copied from it.") from error
    finally:
        cursor.close()


def read_out(
    connection: Connection, query: str, values: Mapping[str, object], columns: Mapping[str, str]
) -> Rows:
    """All at once, for a query that bounds itself."""
    pieces: list[Rows] = []
    copy_out(connection, query, values, columns, pieces.append)
    return np.concatenate(pieces)


class _Decoded:
    """What COPY writes to: each field is its length and its bytes, high byte first."""

    def __init__(self, columns: Mapping[str, str], take: Callable[[Rows], None]) -> None:
        fields = [("fields", ">i2")]
        for name, code in columns.items():
            fields += [(f"{name} length", ">i4"), (name, f">{code}")]
        self._layout, self._take = np.dtype(fields), take
        self._read = np.dtype([(name, code) for name, code in columns.items()])
        self._bytes, self._skip = bytearray(), _HEADER

    def write(self, data: bytes) -> int:
        self._bytes += data
        if len(self._bytes) > _AT_ONCE * self._layout.itemsize:
            self.finish()
        return len(data)

    def finish(self) -> None:
        """Hands on every whole row that has come; the end of the stream is none."""
        whole = (len(self._bytes) - self._skip) // self._layout.itemsize
        raw = np.frombuffer(bytes(self._bytes), self._layout, whole, self._skip)
        del self._bytes[: self._skip + raw.nbytes]
        self._skip = 0
        rows = np.empty(whole, self._read)
        for name in self._read.names or ():
            rows[name] = raw[name]
        self._take(rows)


class WholeUsers:
    """Of rows that come by user, hands on those of users who are complete."""

    def __init__(self, take: Callable[[Rows], None]) -> None:
        self._take, self._waiting = take, list[Rows]()

    def add(self, rows: Rows) -> None:
        rows = np.concatenate([*self._waiting, rows])
        last = len(rows) and np.searchsorted(rows["user_id"], rows["user_id"][-1])
        self._waiting = [rows[last:]]
        self._take(rows[:last])

    def finish(self) -> None:
        self._take(*self._waiting)


class Part:
    """A Parquet file whose row groups are of one size, whatever the pieces that came."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(stream, schema, compression="zstd")
        self._waiting = schema.empty_table()
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        self._waiting = pa.concat_tables([self._waiting, table])
        while self._waiting.num_rows >= _GROUP_ROWS:
            self._write(self._waiting.slice(0, _GROUP_ROWS))
            self._waiting = self._waiting.slice(_GROUP_ROWS)

    def _write(self, table: pa.Table) -> None:
        self._writer.write_table(table.combine_chunks())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._waiting.num_rows:
            self._write(self._waiting)
        self._writer.close()
