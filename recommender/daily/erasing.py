"""Rows of deleted users go out of the lists of refused rows, in which their names and marks stand."""

import csv
import os
from collections.abc import Callable, Iterable
from io import StringIO
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine, select

from recommender.accounts import folded
from recommender.daily.forgetting import deletion_of, stored_tombstones
from recommender.daily.mended import read_list
from recommender.daily.refused_rows import RATING_COLUMNS
from recommender.database import transaction
from recommender.days import MENDED, NOT_INJECTED, RATINGS
from recommender.files import Store
from recommender.manifests import Entry, Hashed, seal_again
from recommender.tables import clients

_AT_ONCE = 10_000
_USER = RATING_COLUMNS[0]


def erase_rejects(engine: Engine, data: Store, tombstone_key: str) -> int:
    """From the mended lists too; how many rows there were."""
    with transaction(engine) as connection:
        known = connection.execute(select(clients.c.client_id, clients.c.username)).all()
        gone = {row.username: (row.client_id, stored_tombstones(connection, row.client_id)) for row in known}
    erased = 0
    for batch in data.names(NOT_INJECTED):
        for path in data.files(f"{NOT_INJECTED}/{batch}"):
            client, _, name = path.rpartition("/")
            client_id, digests = gone.get(folded(client), (0, {}))
            if digests and name in (RATINGS, MENDED):
                is_deleted = deletion_of(tombstone_key, client_id, digests)
                erased += _erase(data, f"{NOT_INJECTED}/{batch}", path, is_deleted)
    return erased


def _erase(data: Store, folder: str, path: str, is_deleted: Callable[[str], bool]) -> int:
    """The seal comes first: who is killed between the two finds the rows again, and makes the same file."""
    with Path(os.devnull).open("wb") as nowhere:
        outcome = Hashed(nowhere, 0)
        erased = _copy_without(data, f"{folder}/{path}", is_deleted, outcome)
    if erased:
        sealed = Entry(path, outcome.digest.hexdigest(), outcome.size, outcome.rows)
        seal_again(data, folder, {path: sealed})
        with data.writing(f"{folder}/{path}") as stream:
            _copy_without(data, f"{folder}/{path}", is_deleted, Hashed(stream, 0))
    return erased


def _copy_without(data: Store, path: str, is_deleted: Callable[[str], bool], copy: Hashed) -> int:
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
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()
