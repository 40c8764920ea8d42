"""A day's refused rows once more, mended or not: they are the raw files of a batch of their own.

What they bring is only ever an upsert, so that replaying again changes nothing.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from itertools import islice

from sqlalchemy import Engine, select

from recommender.accounts import folded
from recommender.daily.loading import LoadReport, load
from recommender.daily.mended import read_list
from recommender.daily.processing import CURRENT, process
from recommender.daily.refused_rows import MOVIE_COLUMNS, RATING_COLUMNS
from recommender.database import transaction
from recommender.days import MENDED, MOVIES, NOT_INJECTED, RATINGS, RAW, REPLAY
from recommender.deletions import Deletions
from recommender.errors import Failed, NothingToDo
from recommender.files import Store
from recommender.imports.rows import Rule
from recommender.manifests import Making, read_manifest
from recommender.model_store import ModelStore
from recommender.progress import Progress
from recommender.tables import clients

_AT_ONCE = 10_000
_USER = RATING_COLUMNS[0]


@dataclass(frozen=True, slots=True)
class ReplayReport:
    batch: str
    taken: int  # rows of ratings and of movies that went in again
    left: int  # rows that could not be read as columns, and are not mended
    forgotten: int  # rows of users who were deleted
    load: LoadReport


def replay(
    engine: Engine,
    data: Store,
    models: ModelStore,
    day: date,
    *,
    now: datetime,
    tombstone_key: str,
    progress: Progress,
) -> ReplayReport:
    """Refused rows may be refused again: no share of them stops a replay."""
    folder = f"{NOT_INJECTED}/{day}"
    lists = _lists(data, folder)
    if not lists:
        raise NothingToDo(f"No row of {day} was refused: there is nothing in {data.named(folder)}.")
    refused = read_manifest(data, folder)
    if refused is None:
        raise Failed(f"{data.named(folder)} is not sealed: run process first.")
    raw = f"{RAW}/{day}{REPLAY}"
    writing = _Writing(engine, data, folder, Making(data, raw), tombstone_key)
    for n, path in enumerate(lists, 1):
        writing.add(path)
        progress("reading", n, len(lists))
    if not writing.taken:
        data.delete(raw)
        raise NothingToDo(f"None of the refused rows of {day} can go in again: {writing.told}.")
    writing.making.seal({"day": str(day), "source": refused.about["source"], "from": refused.digest})
    batch = f"{day}{REPLAY}"
    process(
        engine,
        data,
        models,
        batch,
        reject_limit=1,
        tombstone_key=tombstone_key,
        progress=progress,
        champion=CURRENT,  # the same rows may be good by now, so that they are always processed anew
    )
    loaded = load(engine, data, batch, now, tombstone_key, progress)
    return ReplayReport(batch, writing.taken, writing.left, writing.forgotten, loaded)


def _lists(data: Store, folder: str) -> list[str]:
    """For each client the list that a person mended, else the one that was written; of movies the former."""
    found = {path.rpartition("/")[0]: path for path in data.files(folder) if path.endswith(f"/{RATINGS}")}
    for path in data.files(folder):
        place, _, name = path.rpartition("/")
        if name == MENDED and "/" not in place:
            found[place] = path
    return [found[place] for place in sorted(found)]


@dataclass
class _Writing:
    engine: Engine
    data: Store
    folder: str
    making: Making
    tombstone_key: str
    taken: int = 0
    left: int = 0
    forgotten: int = 0

    def add(self, path: str) -> None:
        client = path.rpartition("/")[0]
        columns = RATING_COLUMNS if client else MOVIE_COLUMNS
        pieces = self._pieces(path, client, columns)
        if (first := next(pieces, None)) is None:
            return
        with self.making.file(f"{client}/{RATINGS}" if client else MOVIES, 0) as file:
            file.write(_written([dict(zip(columns, columns, strict=True))], columns))
            while first is not None:
                file.write(_written(first, columns))
                file.rows = (file.rows or 0) + len(first)
                first = next(pieces, None)
            self.taken += file.rows or 0

    def _pieces(self, path: str, client: str, columns: tuple[str, ...]) -> Iterator[list[dict[str, str]]]:
        """The rows that go in again."""
        rows, client_id = read_list(self.data, f"{self.folder}/{path}", columns), self._client_id(client)
        while some := list(islice(rows, _AT_ONCE)):
            there = [row for row in some if row.get("rule") != Rule.DELETED_USER]
            whole = [row for row in there if any(row[name] for name in columns[1:])]
            gone = self._deleted(client_id, {row[_USER].strip() for row in whole}) if client_id else set()
            kept = [row for row in whole if row.get(_USER, "").strip() not in gone]
            self.left += len(there) - len(whole)
            self.forgotten += len(some) - len(there) + len(whole) - len(kept)
            if kept:
                yield kept

    def _client_id(self, client: str) -> int | None:
        """None of a client that is not registered, and of the list of movies."""
        known = select(clients.c.client_id).where(clients.c.username == folded(client))
        with transaction(self.engine) as connection:
            found: int | None = connection.scalar(known)
        return found

    def _deleted(self, client_id: int, names: set[str]) -> set[str]:
        with transaction(self.engine) as connection:
            return Deletions(connection, client_id, self.tombstone_key).deleted(names)

    @property
    def told(self) -> str:
        return f"{self.left:,} cannot be read as columns, {self.forgotten:,} are of deleted users"


def _written(rows: list[dict[str, str]], columns: tuple[str, ...]) -> bytes:
    text = StringIO()
    lines = ([" ".join(row[name].splitlines()) for name in columns] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()
