"""Rows of deleted users go out of the lists of refused rows, in which their names and marks stand."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine, select

from recommender.accounts import folded
from recommender.daily.forgetting import deletion_of, stored_tombstones
from recommender.daily.mended import read_list
from recommender.daily.refused_rows import RATING_COLUMNS
from recommender.database import transaction
from recommender.days import MENDED, NOT_INJECTED, PROCESSED, RATINGS, RAW, REPLAY
from recommender.files import Store
from recommender.manifests import Entry, Hashed, read_manifest, seal_again
from recommender.tables import clients

_AT_ONCE = 10_000
_USER = RATING_COLUMNS[0]
IsDeleted = Callable[[str], bool]


def erase_rejects(engine: Engine, data: Store, tombstone_key: str) -> int:
    """From the mended lists too; how many rows there were. A replay that had any is gone."""
    deletions = _deletions(engine, tombstone_key)
    erased = 0
    for batch in data.names(NOT_INJECTED):
        folder = f"{NOT_INJECTED}/{batch}"
        for path, is_deleted in _lists(data, folder, deletions):
            erased += _erase(data, folder, path, is_deleted)
    for batch in data.names(RAW):
        lists = _lists(data, f"{RAW}/{batch}", deletions) if batch.endswith(REPLAY) else iter(())
        if any(_outcome(data, f"{RAW}/{batch}/{path}", is_deleted)[0] for path, is_deleted in lists):
            data.delete(f"{PROCESSED}/{batch}")
            data.delete(f"{RAW}/{batch}")  # last: who is killed before finds the rows again
    return erased


def _deletions(engine: Engine, tombstone_key: str) -> dict[str, IsDeleted]:
    """By client, of those that have deleted users."""
    with transaction(engine) as connection:
        known = connection.execute(select(clients.c.client_id, clients.c.username)).all()
        gone = {row: stored_tombstones(connection, row.client_id) for row in known}
    return {
        row.username: deletion_of(tombstone_key, row.client_id, digests)
        for row, digests in gone.items()
        if digests
    }


def _lists(data: Store, folder: str, deletions: dict[str, IsDeleted]) -> Iterator[tuple[str, IsDeleted]]:
    for path in data.files(folder):
        client, _, name = path.rpartition("/")
        if name in (RATINGS, MENDED) and (is_deleted := deletions.get(folded(client))):
            yield path, is_deleted


def _outcome(data: Store, path: str, is_deleted: IsDeleted) -> tuple[int, Hashed]:
    """How many rows will not be in the copy, and what it will be."""
    with Path(os.devnull).open("wb") as nowhere:
        outcome = Hashed(nowhere, 0)
        return _copy_without(data, path, is_deleted, outcome), outcome


def _erase(data: Store, folder: str, path: str, is_deleted: IsDeleted) -> int:
    """The seal comes first: who is killed between the two finds the rows again, and makes the same file.

    A folder that is not sealed is being made, or was left half made; `process` makes it whole.
    """
    erased, outcome = _outcome(data, f"{folder}/{path}", is_deleted)
    if erased:
        if read_manifest(data, folder):
            sealed = Entry(path, outcome.digest.hexdigest(), outcome.size, outcome.rows)
            seal_again(data, folder, {path: sealed})
        with data.writing(f"{folder}/{path}") as stream:
            _copy_without(data, f"{folder}/{path}", is_deleted, Hashed(stream, 0))
    return erased


def _copy_without(data: Store, path: str, is_deleted: IsDeleted, copy: Hashed) -> int:
    """How many rows are not in the copy."""
    erased, columns = 0, list[str]()
    rows = read_list(data, path, ())
    while some := list(islice(rows, _AT_ONCE)):
        if not columns:
            columns = list(some[0])
            copy.write(_lines([columns]))
        kept = [row for row in some if not is_deleted(row.get(_USER, "").strip())]
        copy.write(_lines([row[name] for name in columns] for row in kept))
        copy.rows = (copy.rows or 0) + len(kept)
        erased += len(some) - len(kept)
    return erased


def _lines(rows: Iterable[list[str]]) -> bytes:
    stream = StringIO()
    one_way = ([value.replace("\r\n", "\n").replace("\r", "\n") for value in row] for row in rows)
    csv.writer(stream, lineterminator="\n").writerows(one_way)  # which quotes no carriage return
    return stream.getvalue().encode()
