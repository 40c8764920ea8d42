"""COPY into temporary tables, as text or as arrays. All of it belongs to the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import psycopg2
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.errors import Away

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH_2000 = 946_684_800  # Postgres counts microseconds from here
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_rows(connection: Connection, table: str, columns: str, rows: Iterable[Sequence[object]]) -> None:
    lines = ("\t".join(map(_field, row)) + "\n" for row in rows)
    _copy(connection, f"COPY {table} ({columns}) FROM STDIN", "".join(lines).encode())


def _field(value: object) -> str:
    return r"\N" if value is None else str(value).translate(_ESCAPES)


def copy_arrays(connection: Connection, table: str, columns: Mapping[str, NDArray[Any]]) -> None:
    """COPY in Postgres's binary format: each field is its length and its bytes, high byte first.

    A column of rows by dimensions becomes pgvector's type: the dimensions, a zero, the values.
    """
    size = len(next(iter(columns.values())))
    columns = {name: _as_vectors(values) if values.ndim == 2 else values for name, values in columns.items()}
    table_rows = np.empty(size, _record({name: values.dtype for name, values in columns.items()}))
    table_rows["fields"] = len(columns)
    for name, values in columns.items():
        table_rows[f"{name} length"] = values.dtype.itemsize
        table_rows[name] = values
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
    _copy(connection, statement, _SIGNATURE + table_rows.tobytes() + _END)


def _record(columns: Mapping[str, np.dtype[Any]]) -> np.dtype[Any]:
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, dtype in columns.items():
        fields += [(f"{name} length", ">i4"), (name, dtype.newbyteorder(">"))]
    return np.dtype(fields)


def _as_vectors(values: NDArray[np.float32]) -> NDArray[Any]:
    rank = values.shape[1]
    vectors = np.zeros(len(values), np.dtype([("rank", "i2"), ("unused", "i2"), ("values", "f4", rank)]))
    vectors["rank"], vectors["values"] = rank, values
    return vectors


def timestamps(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Unix seconds as Postgres keeps a timestamp."""
    return np.rint((seconds - _EPOCH_2000) * 1e6).astype(np.int64)


def unix_seconds(timestamps: NDArray[np.int64]) -> NDArray[np.float64]:
    """The other way; '-infinity' becomes NaN."""
    seconds = timestamps / 1e6 + _EPOCH_2000
    return np.where(timestamps == np.iinfo(np.int64).min, np.nan, seconds)


def _copy(connection: Connection, statement: str, data: bytes) -> None:
    cursor: Any = connection.connection.cursor()
    try:
        cursor.copy_expert(statement, BytesIO(data))
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise Away("The database went away while rows were copied to it.") from error
    finally:
        cursor.close()


def run(connection: Connection, statement: str, **values: object) -> int:
    """How many rows the statement wrote, or the one number that it selects."""
    result = connection.execute(text(statement), values)
    return int(result.scalar_one()) if result.returns_rows else result.rowcount


def lock_catalogue(connection: Connection) -> None:
    """Until the transaction ends nobody else merges movies: two imports would add the same one twice."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('marquee.catalogue'))"))
