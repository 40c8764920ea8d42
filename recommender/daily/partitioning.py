"""A client's ratings in parts: each user in exactly one, so that a part can be put in order in memory.

Rows are kept aside in a file without a name, which is gone with the process, however that ends.
"""

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.errors import Failed
from recommender.imports.rating_rows import RatingRows
from recommender.imports.rows import BLOCK_BYTES

Ints = NDArray[np.int64]
_PACKED = 4  # a .gz of ratings is about a fourth of them


def parts_for(size: int, packed: bool, part_bytes: int = BLOCK_BYTES) -> int:
    """From the size of the file alone, so that a part is about a block of it."""
    return max(1, -(-size * (_PACKED if packed else 1) // part_bytes))


def part_of(external_id: str, parts: int) -> int:
    return zlib.crc32(external_id.encode()) % parts


@dataclass(frozen=True, slots=True)
class Part:
    """Rows by user and movie, each pair once; users in the order of their ids' bytes."""

    external_ids: "pa.Array[Any]"
    starts: Ints  # where each user's rows start, and where the last user's end
    movies: Ints
    ratings: NDArray[np.float32]
    times: NDArray[np.float64]
    lines: Ints
    superseded: int

    def __len__(self) -> int:
        """How many users it has."""
        return len(self.starts) - 1

    @property
    def users(self) -> Ints:
        """The place of each row's user."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


@dataclass
class Aside:
    """``add`` block by block, then ``part`` by part."""

    parts: int
    folder: Path  # on a local disk
    rows: int = field(default=0, init=False)
    _segments: list[list[tuple[int, int]]] = field(init=False)  # where the rows of each part are
    _end: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._segments = [[] for _ in range(self.parts)]
        with self._told():
            self._file: BinaryIO = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - see __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, at: TracebackType | None) -> None:
        with suppress(OSError):  # of a full disk, which was told: the file is gone either way
            self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise Failed(f"Rows cannot be kept aside in {self.folder}: {reason}.") from error

    def add(self, rows: RatingRows) -> None:
        if not len(rows.lines):
            return
        self.rows += len(rows.lines)
        for part, table in _by_part(rows, self.parts):
            content = _written(table)
            with self._told():
                self._file.seek(self._end)
                self._file.write(content)
                self._file.flush()
            self._segments[part].append((self._end, len(content)))
            self._end += len(content)

    def part(self, number: int) -> Part:
        tables = [self._read(*segment) for segment in self._segments[number]]
        return _in_order(pa.concat_tables(tables) if tables else _NOTHING)

    def _read(self, start: int, size: int) -> pa.Table:
        with self._told():
            self._file.seek(start)
            content = self._file.read(size)
        return pa.ipc.open_stream(content).read_all()


_SCHEMA = pa.schema(
    {
        "user": pa.dictionary(pa.int32(), pa.string()),
        "movie": pa.int32(),
        "rating": pa.float32(),
        "time": pa.float64(),
        "line": pa.int64(),
    }
)
_NOTHING = _SCHEMA.empty_table()


def _written(rows: pa.RecordBatch) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as stream:
        stream.write_batch(rows)
    return memoryview(sink.getvalue())


def _by_part(rows: RatingRows, parts: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of each part that has some, in their order; its names are those of its own users only."""
    found = rows.ratings
    used, users = np.unique(found.users, return_inverse=True)
    names = [found.external_ids[user] for user in used.tolist()]
    of_user = np.array([part_of(name, parts) for name in names], np.int16)
    by_part = np.argsort(of_user, kind="stable")
    place = np.empty(len(names), np.int32)
    place[by_part] = np.arange(len(names), dtype=np.int32)
    sorted_names = pa.array([names[user] for user in by_part.tolist()], pa.string())
    first_name = np.searchsorted(of_user[by_part], np.arange(parts + 1))
    of_row = of_user[users]
    order = np.argsort(of_row, kind="stable")
    first_row = np.searchsorted(of_row[order], np.arange(parts + 1))
    for part in np.unique(of_user).tolist():
        own = order[first_row[part] : first_row[part + 1]]
        start, end = first_name[part], first_name[part + 1]
        codes = pa.array(place[users[own]] - np.int32(start))
        columns = [
            pa.DictionaryArray.from_arrays(codes, sorted_names[start:end]),
            pa.array(found.movie_ids[own].astype(np.int32)),
            pa.array(found.ratings[own].astype(np.float32)),
            pa.array(found.times[own]),
            pa.array(rows.lines[own]),
        ]
        yield part, pa.record_batch(columns, schema=_SCHEMA)


def _in_order(rows: pa.Table) -> Part:
    """Of one user's ratings of one movie the latest stays, and of equal times the later line."""
    named = pc.dictionary_encode(rows.column("user").cast(pa.string()).combine_chunks())
    external_ids, users = _ranked(named)
    movies, ratings, times, lines = (
        rows.column(name).to_numpy() for name in ("movie", "rating", "time", "line")
    )
    pairs = users * (int(movies.max(initial=0)) + 1) + movies
    order = np.lexsort((lines, times, pairs))
    last = np.diff(pairs[order], append=-1) != 0
    kept = order[last]
    starts = np.searchsorted(users[kept], np.arange(len(external_ids) + 1))
    return Part(
        external_ids,
        starts,
        movies[kept].astype(np.int64),
        ratings[kept],
        times[kept],
        lines[kept],
        len(order) - len(kept),
    )


def _ranked(named: Any) -> tuple["pa.Array[Any]", Ints]:
    """The names in order, and the rank of each row's."""
    order = pc.sort_indices(named.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return named.dictionary.take(pa.array(order)), rank[named.indices.to_numpy()]
