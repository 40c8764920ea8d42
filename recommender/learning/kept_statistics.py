"""The statistics of one shard of a snapshot, kept beside its rows in a folder with a seal.

The seal names by their hash the rows that were counted: statistics of other rows are not believed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from recommender.errors import BadInput, NotFound
from recommender.learning.changes import UserRows
from recommender.learning.snapshots import CATALOGUE, STATISTICS, Snapshot, shard_file
from recommender.manifests import Making, Manifest, read_manifest, verify
from recommender.model import Parameters
from recommender.products import Ints
from recommender.statistics import Statistics, most_rated, updated_over

SUMS = "sums.npz"
_FORMAT = 2  # to be raised when the same rows count otherwise, or are written otherwise


@dataclass(frozen=True, slots=True)
class Shard:
    """And how it is counted."""

    snapshot: Snapshot
    number: int
    values: tuple[float, ...]
    dense_limit: int

    @classmethod
    def of(cls, snapshot: Snapshot, number: int, parameters: Parameters) -> Self:
        return cls(snapshot, number, parameters.values, parameters.dense_limit)

    @property
    def folder(self) -> str:
        counted_so = json.dumps([self.values, self.dense_limit, _FORMAT])
        name = f"{STATISTICS}{hashlib.sha256(counted_so.encode()).hexdigest()[:8]}-{self.number:03}"
        return self.snapshot.path(name)

    def rows(self) -> UserRows:
        self._verify(shard_file(self.number))
        return UserRows.of(self.snapshot, self.number)

    def dense(self) -> Ints:
        """Decided by the ratings of all shards."""
        self._verify(CATALOGUE)
        movies = self.snapshot.table(CATALOGUE, ("movie_id", "ratings"))
        ids, counts = (column.to_numpy() for column in movies.columns)
        return most_rated(ids[counts > 0], counts[counts > 0], self.dense_limit)

    def updated(self, before: Statistics, old: UserRows, new: UserRows) -> Statistics:
        """``before`` with the old rows of some users replaced by those that they have in this shard."""

        def raters(movie_ids: Ints) -> UserRows:
            return self.rows().of_raters(movie_ids)

        return updated_over(self.dense(), before, old, new, self.values, raters)

    def keep(self, sums: Statistics, made_from: Mapping[str, Any] | None) -> None:
        making = Making(self.snapshot.store, self.folder)
        with making.file(SUMS) as file:
            sums.write(file.as_file())
        told = {"day": self.snapshot.about["day"], "users": sums.users, "made_from": made_from}
        making.seal(self._counted() | told)

    def kept(self) -> Statistics | None:
        """None where there are none of these rows; BadInput or NotFound where they are damaged."""
        seal = self.seal()
        if seal is None:
            return None
        for entry in seal.files:
            verify(self.snapshot.store, self.folder, entry)
        with self.snapshot.store.reading(f"{self.folder}/{SUMS}") as stream:
            return Statistics.read(stream)

    def seal(self) -> Manifest | None:
        """None where no statistics of these rows are kept."""
        seal = read_manifest(self.snapshot.store, self.folder)
        return seal if seal and self._counted().items() <= seal.about.items() else None

    def _verify(self, name: str) -> None:
        if entry := self.snapshot.manifest.entry(name):
            verify(self.snapshot.store, self.snapshot.folder, entry)

    def _counted(self) -> dict[str, Any]:
        entries = (self.snapshot.manifest.entry(name) for name in (CATALOGUE, shard_file(self.number)))
        return {
            "digest": self.snapshot.digest,
            "shard": self.number,
            "counted": {entry.path: entry.sha256 for entry in entries if entry},
            "values": list(self.values),
            "dense_limit": self.dense_limit,
            "counted_as": _FORMAT,
        }


def kept_shards(snapshot: Snapshot) -> Iterator[Shard]:
    """Of which there are whole statistics."""
    for name in snapshot.store.names(snapshot.folder):
        if not name.startswith(STATISTICS):
            continue
        try:
            about = seal.about if (seal := read_manifest(snapshot.store, snapshot.path(name))) else {}
            kept = Shard(snapshot, about["shard"], tuple(about["values"]), about["dense_limit"])
            if kept.folder == snapshot.path(name) and kept.seal():
                yield kept
        except (BadInput, NotFound, KeyError):
            continue
