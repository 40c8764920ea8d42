"""Makes a version the champion, as it was judged, and takes it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, text

from recommender.bulk import copy_rows
from recommender.database import transaction
from recommender.errors import BadArtifact, BadInput, Failed, MarqueeError, NothingToDo
from recommender.imports.rating_load import count_ratings
from recommender.learning.gate import in_words
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.registry import (
    Entry,
    Kind,
    champion,
    entry,
    lock_champion,
    make_champion,
    publications,
    replaced_by,
)
from recommender.users import written

_AT_ONCE = 5_000  # vectors in one COPY


@dataclass(frozen=True, slots=True)
class Published:
    version: str
    replaced: str | None
    kind: Kind
    reason: str | None


def publish(
    engine: Engine, models: ModelStore, version: str | None = None, reason: str | None = None
) -> Published:
    """The last trained version unless one is named. With a reason also what the gate refused, if it works."""
    reason = _given(reason) if reason is not None else None
    with transaction(engine) as connection:
        candidate, current = entry(connection, version), _version(champion(connection))
        done = _done(connection, candidate) if candidate.champion and version else None
    if done:
        return done
    kind = _allowed(candidate, current, reason)
    model = models.load(candidate.version)
    chosen = Published(candidate.version, current, kind, reason)
    with transaction(engine) as connection:
        _crown(connection, models, model, chosen)
        if entry(connection, chosen.version).verdict != candidate.verdict:
            raise Failed(f"{chosen.version} was judged anew meanwhile: try again.")
    return chosen


def _done(connection: Connection, candidate: Entry) -> Published:
    """A step that was killed after its commit is run again, and has done what it was asked."""
    last = publications(connection, candidate.version)[-1]
    return Published(candidate.version, last["replaced"], last["kind"], last["reason"])


def _allowed(candidate: Entry, current: str | None, reason: str | None) -> Kind:
    if candidate.champion:
        raise NothingToDo(f"{candidate.version} is the champion already.")
    if (verdict := candidate.verdict) is None:
        raise Failed(f"{candidate.version} was not judged: run `marquee evaluate {candidate.version}` first.")
    objection = _objection(candidate, verdict, current)
    if objection is None:
        return "gate"
    if reason is None:
        raise objection
    if not verdict["figures"]["usable"]:
        raise BadArtifact(f"No reason publishes a model that cannot be used. The gate {in_words(verdict)}")
    return "forced"


def _objection(candidate: Entry, verdict: Mapping[str, Any], current: str | None) -> MarqueeError | None:
    """What a reason overcomes."""
    version = candidate.version
    if verdict["outcome"] == "refused":
        return NothingToDo(f"{version} is not published. The gate {in_words(verdict)}")
    if candidate.status == "published":
        return NothingToDo(f"{version} was the champion before: it is not published again without a reason.")
    if verdict["figures"].get("champion") != current:
        return Failed(f"{version} was not judged beside {current}, the champion now: evaluate it again.")
    return None


def rollback(engine: Engine, models: ModelStore, version: str | None, reason: str) -> Published:
    """To the version that the champion replaced unless one is named, which was published once."""
    with transaction(engine) as connection:
        current = _version(champion(connection))
        if current is None:
            raise Failed("There is no champion, so there is nothing to roll back.")
        earlier = version or replaced_by(connection, current)
        if earlier is None:
            raise Failed(f"{current} replaced no other version: there is nothing to roll back to.")
        target = entry(connection, earlier)
    if target.champion:
        raise NothingToDo(f"{earlier} is the champion already.")
    if target.status != "published":
        raise Failed(f"{earlier} was never the champion: use `marquee publish`.")
    chosen = Published(earlier, current, "rollback", _given(reason))
    model = models.load(earlier)
    with transaction(engine) as connection:
        _crown(connection, models, model, chosen)
    return chosen


def _version(found: Entry | None) -> str | None:
    return found.version if found else None


def _given(reason: str) -> str:
    if not reason.strip():
        raise BadInput("The reason is empty.")
    return reason.strip()


def _crown(connection: Connection, models: ModelStore, model: Model, chosen: Published) -> None:
    count_ratings(connection)  # locks the catalogue first, as every load does
    if (now := lock_champion(connection)) != chosen.replaced:
        raise Failed(f"{now} became the champion meanwhile: try again.")
    _store_vectors(connection, model)
    make_champion(
        connection,
        chosen.version,
        models.url(chosen.version),
        replaced=chosen.replaced,
        kind=chosen.kind,
        reason=chosen.reason,
    )


_VECTORS = "CREATE TEMPORARY TABLE fresh_vectors (movie_id bigint, vector vector) ON COMMIT DROP"
_MOVIES = text("""
    UPDATE movies m SET vector = f.vector, space = :version FROM fresh_vectors f WHERE f.movie_id = m.movie_id
""")


def _store_vectors(connection: Connection, model: Model) -> None:
    connection.execute(text(_VECTORS))
    for start in range(0, len(model.movie_ids), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        pairs = zip(model.movie_ids[some].tolist(), map(written, model.right[some]), strict=True)
        copy_rows(connection, "fresh_vectors", "movie_id, vector", pairs)
    connection.execute(_MOVIES, {"version": model.version})
