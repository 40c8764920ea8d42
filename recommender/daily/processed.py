"""A sealed folder processed/BATCH with its list of refused rows, read a bounded piece at a time."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommender.daily.mended import read_list
from recommender.daily.parquet import MOVIES, ratings_part, read_batches, users_part
from recommender.daily.refused_rows import RATING_COLUMNS, REASONS, ROW
from recommender.days import NOT_INJECTED, PROCESSED, RATINGS, parse_day
from recommender.errors import BadInput, Failed
from recommender.files import Store
from recommender.imports.movie_rows import FileMovie
from recommender.imports.rows import LONGEST_ID, Reject, Rule
from recommender.manifests import Manifest, read_manifest, verify
from recommender.progress import Progress

USERS_AT_ONCE, RATINGS_AT_ONCE = 8_192, 262_144


@dataclass(frozen=True, slots=True)
class ClientFile:
    """One client's ratings, and what `process` counted: read = kept + superseded + rejected."""

    client: str
    sha256: str  # of the raw file
    parts: int
    users: int
    read: int
    kept: int
    superseded: int
    rejected: Mapping[Rule, int]


@dataclass(frozen=True, slots=True)
class Users:
    names: list[str]
    profiles: NDArray[np.float32]  # a row for each user, a column for each genre of the day
    has_taste: NDArray[np.bool_]
    tastes: NDArray[np.float32]  # a row for each user that has one


@dataclass(frozen=True, slots=True)
class ProcessedDay:
    data: Store
    batch: str
    day: date
    source: str
    champion: str | None  # in whose space the tastes are
    genres: tuple[str, ...]
    clients: tuple[ClientFile, ...]
    _good: Manifest
    _refused: Manifest | None

    @classmethod
    def open(cls, data: Store, batch: str) -> Self:
        folder = f"{PROCESSED}/{batch}"
        good = read_manifest(data, folder)
        if good is None:
            raise Failed(f"{data.named(folder)} is not sealed: run process first.")
        about = good.about
        try:
            files = tuple(_client_file(name, about["clients"][name]) for name in sorted(about["clients"]))
            day, genres = parse_day(about["day"]), tuple(about["genres"])
            refused = read_manifest(data, f"{NOT_INJECTED}/{batch}")
            return cls(data, batch, day, about["source"], about["champion"], genres, files, good, refused)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"The manifest of {data.named(folder)} is none of process: {error!r}.") from None

    def verify(self, progress: Progress) -> None:
        """Every file that will be read is the one that was sealed."""
        listed = [(PROCESSED, entry) for entry in self._good.files]
        listed += [(NOT_INJECTED, entry) for entry in (self._refused.files if self._refused else ())]
        total, done = sum(entry.bytes for _, entry in listed), 0
        for folder, entry in listed:
            verify(self.data, f"{folder}/{self.batch}", entry)
            done += entry.bytes
            progress("verify", done, total)

    def stands(self) -> bool:
        """Nobody has begun to make the batch anew since it was opened."""
        return read_manifest(self.data, f"{PROCESSED}/{self.batch}") == self._good

    def movies(self) -> Iterator[FileMovie]:
        for batch in self._batches(MOVIES) if self._good.entry(MOVIES) else ():
            for row in batch.to_pylist():
                yield FileMovie(**row | {"genres": tuple(row["genres"])})

    def users(self, client: str, part: int) -> Iterator[Users]:
        """In the order of the part."""
        for batch in self._batches(users_part(client, part), USERS_AT_ONCE):
            tastes = batch.column("taste")
            has_taste = np.asarray(tastes.is_valid())
            yield Users(
                [str(name) for name in batch.column("external_id").to_pylist()],
                _table(batch.column("genre_profile"), batch.num_rows),
                has_taste,
                _table(tastes, int(has_taste.sum())),
            )

    def ratings(self, client: str, part: int) -> Iterator[pa.RecordBatch]:
        return self._batches(ratings_part(client, part), RATINGS_AT_ONCE)

    def _batches(self, path: str, size: int = USERS_AT_ONCE) -> Iterator[pa.RecordBatch]:
        return read_batches(self.data, f"{PROCESSED}/{self.batch}/{path}", size=size)

    def rejects(self, client: str) -> Iterator[Reject]:
        """None of a client of whom no row was refused."""
        path = f"{client}/{RATINGS}"
        if self._refused and self._refused.entry(path):
            listed = f"{NOT_INJECTED}/{self.batch}/{path}"
            for row in read_list(self.data, listed, (*REASONS, *RATING_COLUMNS, ROW)):
                yield _reject(row)


def _client_file(name: str, counted: Mapping[str, Any]) -> ClientFile:
    parts, users, read, kept, superseded = (
        int(counted[key]) for key in ("parts", "users", "read", "kept", "superseded")
    )
    rejected = Counter({Rule(rule): int(n) for rule, n in counted["rejected"].items()})
    return ClientFile(name, str(counted["sha256"]), parts, users, read, kept, superseded, rejected)


def _table(lists: Any, rows: int) -> NDArray[np.float32]:
    """Lists of one length as the rows of a table."""
    values: NDArray[np.float32] = lists.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(rows, len(values) // max(rows, 1))


def _reject(row: Mapping[str, str]) -> Reject:
    user = row["userId"]
    name = user if 0 < len(user) <= LONGEST_ID else None
    return Reject(row["file"], int(row["line"]), Rule(row["rule"]), row["row"], name)
