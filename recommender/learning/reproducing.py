"""Trains a version again from the data and the parameters that its card names, and compares."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from recommender.database import transaction
from recommender.errors import BadInput
from recommender.files import Store
from recommender.learning.retention import deleted_users
from recommender.learning.snapshots import open_snapshot
from recommender.learning.training import alone, code_version, fitted
from recommender.manifests import verify
from recommender.model_store import ModelStore
from recommender.registry import read_card


@dataclass(frozen=True, slots=True)
class Reproduced:
    version: str
    again: str | None  # what was trained now; None where the data are no longer whole
    deleted: int  # users of the data who were deleted since
    differences: tuple[str, ...]  # files of the artifact, and entries of its card
    code: tuple[str, str]  # that fitted it, and that is here now

    @property
    def identical(self) -> bool:
        return self.version == self.again

    def __str__(self) -> str:
        if self.again is None:
            users = "1 user" if self.deleted == 1 else f"{self.deleted:,} users"
            return f"{self.version} is not comparable: {users} of its data were deleted since."
        if self.identical:
            return f"identical: training again makes {self.version}."
        differs = f"{self.version} differs from {self.again}, made now, in {', '.join(self.differences)}."
        was, now = self.code
        return differs if was == now else f"{differs} The code changed: it was {was}, and is {now} now."


def reproduce(
    engine: Engine,
    data: Store,
    models: ModelStore,
    version: str,
    progress: Callable[[str], None] = lambda _: None,
) -> Reproduced:
    """Where users of the data are gone, nothing is trained: their ratings are not to be learned from."""
    with transaction(engine) as connection:
        digest = read_card(connection, version).get("data", {}).get("digest")
    if digest is None:
        raise BadInput(f"The card of {version} names no snapshot: it was made by older code.")
    kept = models.load(version)
    with alone(engine):
        snapshot = open_snapshot(data, digest)
        code = kept.card["code"], code_version()
        if deleted := deleted_users(engine, snapshot):
            return Reproduced(version, None, deleted, (), code)
        for entry in snapshot.manifest.files:
            verify(data, snapshot.folder, entry)
        if code[0] != code[1]:
            progress("{} was made by code {}, this is {}".format(version, *code))
        tuned = kept.card.get("tuned")
        again = fitted(snapshot, kept.parameters, progress, tuned=tuned, again=kept.card)
    return Reproduced(version, again.version, 0, tuple(_unequal(kept.card, again.card)), code)


def _unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*one, *other}):
        if name == "files" and name in one:
            yield from _unequal(one[name], other[name])
        elif one.get(name) != other.get(name):
            yield name
