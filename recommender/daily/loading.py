"""A processed day into Postgres: its movies in one transaction, then each client's ratings in one of its own.

What was killed or failed is run again, and running twice changes nothing.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, select

from recommender import accounts
from recommender.bulk import timestamps
from recommender.daily.processed import ClientFile, ProcessedDay, Users
from recommender.database import transaction
from recommender.days import RATINGS
from recommender.deletions import Deletions
from recommender.errors import BadInput, Failed
from recommender.files import Store
from recommender.imports.injections import Counts, Injection
from recommender.imports.movie_load import load_movies
from recommender.imports.rating_merge import Merged, RatingMerge
from recommender.imports.rows import Reject, Rule
from recommender.progress import Progress
from recommender.tables import clients, movie_sources

_REJECTS_AT_ONCE = 10_000
_DIGITS = 4  # of a genre's share


@dataclass(frozen=True, slots=True)
class ClientReport:
    client: str
    counts: Counts
    new_users: int
    rejected: Counter[Rule]


@dataclass(frozen=True, slots=True)
class LoadReport:
    batch: str
    movies: Counter[str]  # known, updated, matched or new
    clients: tuple[ClientReport, ...]

    @property
    def counts(self) -> Counts:
        """Of all clients' ratings."""
        return sum((client.counts for client in self.clients), Counts.none())

    @property
    def rejected(self) -> Counter[Rule]:
        return sum((client.rejected for client in self.clients), Counter())


def load(
    engine: Engine, data: Store, batch: str, now: datetime, tombstone_key: str, progress: Progress
) -> LoadReport:
    """``engine`` connects as the pipeline; every file is verified before the first row is written."""
    day = ProcessedDay.open(data, batch)
    day.verify(progress)
    with transaction(engine) as connection:
        movies = load_movies(connection, day.source, day.movies())
    with transaction(engine) as connection:
        known = _client_ids(connection)
    reports = []
    for file in day.clients:
        client_id = known.get(accounts.folded(file.client))
        if client_id is None:
            reports.append(_of_nobody(file))
            continue
        with transaction(engine) as connection:
            deletions = Deletions(connection, client_id, tombstone_key)
            load = _ClientLoad(connection, client_id, day, file, deletions, tombstone_key, now, progress)
            reports.append(load.run())
    return LoadReport(batch, movies, tuple(reports))


def _client_ids(connection: Connection) -> dict[str, int]:
    found = connection.execute(select(clients.c.username, clients.c.client_id))
    return {row.username: row.client_id for row in found}


def _of_nobody(file: ClientFile) -> ClientReport:
    """Nobody registered the client, or it was deleted since: there is nowhere to keep even the counts."""
    rejected = Counter(file.rejected) + Counter({Rule.UNKNOWN_CLIENT: file.kept})
    return ClientReport(file.client, Counts(file.read, 0, 0, file.superseded, rejected.total()), 0, rejected)


@dataclass(frozen=True, slots=True)
class _ClientLoad:
    connection: Connection
    client_id: int
    day: ProcessedDay
    file: ClientFile
    deletions: Deletions
    tombstone_key: str
    now: datetime
    progress: Progress

    def run(self) -> ClientReport:
        path = f"{self.day.batch}/{self.file.client}/{RATINGS}"
        of_file = self.client_id, self.day.source, path, self.file.sha256
        injection = Injection.start(self.connection, *of_file, self.now, self.day.day)
        merge = RatingMerge(self.connection, self.client_id, self.now)
        deleted = self._add_users(merge)
        new_users = merge.make_users(self.day.champion)
        if not self.deletions.are_the_same():
            raise Failed(f"A user was deleted while {path} was loaded: run load again.")
        merged, gone = self._merge_ratings(merge, deleted, injection)
        for rejects in self._rejects():
            injection.refuse(rejects)
        if not self.day.stands():
            raise Failed(f"{self.day.batch} was processed again while it was loaded: run load again.")
        merge.settle()
        return self._finish(injection, merged, gone, new_users)

    def _finish(self, injection: Injection, merged: Merged, gone: int, new_users: int) -> ClientReport:
        rejected = Counter(self.file.rejected) + Counter({Rule.DELETED_USER: gone})
        superseded = self.file.superseded + merged.superseded
        counts = Counts(self.file.read, merged.loaded, merged.unchanged, superseded, rejected.total())
        injection.finish(counts, self.now, self.now)
        return ClientReport(self.file.client, counts, new_users, rejected)

    def _add_users(self, merge: RatingMerge) -> set[int]:
        """A user's code is its place in the file. Those of the deleted, who are left out."""
        deleted: set[int] = set()
        first = 0
        for users in self._users():
            codes = np.arange(first, first + len(users.names), dtype=np.int32)
            gone = self._deleted(users.names)
            kept = np.array([name not in gone for name in users.names], bool)
            deleted.update(codes[~kept].tolist())
            _add(merge, users, codes, kept, self.day.genres)
            first += len(codes)
            self.progress(f"{self.file.client}: users", first, self.file.users)
        return deleted

    def _users(self) -> Iterator[Users]:
        for part in range(self.file.parts):
            yield from self.day.users(self.file.client, part)

    def _deleted(self, names: list[str]) -> set[str]:
        """A fresh question each time: the answers to all of them would grow with the day."""
        return Deletions(self.connection, self.client_id, self.tombstone_key).deleted(names)

    def _merge_ratings(
        self, merge: RatingMerge, deleted: set[int], injection: Injection
    ) -> tuple[Merged, int]:
        merged, gone, ids = Merged(), 0, _movie_ids(self.connection, self.day.source)
        for codes, rows in self._coded():
            kept = ~np.isin(codes, list(deleted))
            injection.refuse(_of_deleted(rows, ~kept))
            rows = rows.filter(pa.array(kept))
            merge.add(_columns(codes[kept], rows, self._movies(rows, ids)))
            merged += merge.merge()
            merge.clear()
            gone += len(kept) - len(rows)
            done = merged.loaded + merged.unchanged + merged.superseded + gone
            self.progress(f"{self.file.client}: ratings", done, self.file.kept)
        return merged, gone

    def _coded(self) -> Iterator[tuple[NDArray[np.int32], pa.RecordBatch]]:
        """Ratings with the codes of their users."""
        first = 0
        for part in range(self.file.parts):
            names = pa.array(
                [name for users in self.day.users(self.file.client, part) for name in users.names],
                pa.string(),
            )
            for rows in self.day.ratings(self.file.client, part):
                yield first + _places(rows.column("external_id"), names), rows
            first += len(names)

    def _movies(self, rows: pa.RecordBatch, ids: dict[str, int]) -> NDArray[np.int64]:
        coded: Any = rows.column("source_id")
        found = np.array([ids.get(name, -1) for name in coded.dictionary.to_pylist()], np.int64)
        movies: NDArray[np.int64] = found[coded.indices.to_numpy()]
        if (movies < 0).any():
            raise Failed(f"{self.day.batch} names movies that are not in the catalogue: run process again.")
        return movies

    def _rejects(self) -> Iterator[list[Reject]]:
        """Nothing is kept of users who were deleted since."""
        rejects = self.day.rejects(self.file.client)
        while some := list(islice(rejects, _REJECTS_AT_ONCE)):
            gone = self._deleted([reject.external_id for reject in some if reject.external_id])
            yield [reject for reject in some if reject.external_id not in gone]


def _add(
    merge: RatingMerge,
    users: Users,
    codes: NDArray[np.int32],
    kept: NDArray[np.bool_],
    genres: Sequence[str],
) -> None:
    rows = zip(codes.tolist(), users.names, _profiles(genres, users.profiles), strict=True)
    merge.add_users(compress(rows, kept.tolist()))
    tasted = kept[users.has_taste]
    merge.add_tastes(codes[users.has_taste][tasted], users.tastes[tasted])


def _profiles(genres: Sequence[str], shares: NDArray[np.float32]) -> Iterator[str | None]:
    """Of each user as JSON; genres of no share are left out. None where the day knows no genre."""
    for row in np.round(shares.astype(np.float64), _DIGITS).tolist():
        named = zip(genres, row, strict=True)
        yield json.dumps({genre: share for genre, share in named if share}) if genres else None


def _places(coded: Any, names: Any) -> NDArray[np.int32]:
    """Of each row's user among the names of the part."""
    places = pc.index_in(coded.dictionary, value_set=names)
    if places.null_count:
        raise BadInput("A part of ratings has users that its part of users does not name.")
    found: NDArray[np.int32] = places.to_numpy()[coded.indices.to_numpy()]
    return found


def _of_deleted(rows: pa.RecordBatch, gone: NDArray[np.bool_]) -> Iterator[Reject]:
    for line in np.asarray(rows.column("line"))[gone].tolist():
        yield Reject(RATINGS, line, Rule.DELETED_USER, "")


def _columns(
    codes: NDArray[np.int32], rows: pa.RecordBatch, movies: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    return {
        "user_code": codes,
        "movie_id": movies,
        "rating": np.asarray(rows.column("rating")),
        "rated_at": timestamps(np.asarray(rows.column("rated_at"))),
    }


def _movie_ids(connection: Connection, source: str) -> dict[str, int]:
    columns = select(movie_sources.c.source_id, movie_sources.c.movie_id)
    found = connection.execute(columns.where(movie_sources.c.source == source))
    return {row.source_id: row.movie_id for row in found}
