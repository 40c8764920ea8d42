"""The registry of models in Postgres: each version trained, what the gate said, and the champion."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from recommender.errors import Failed, NotFound

_STATE = text("""
    SELECT s.champion, s.catalogue_revision, m.artifact_url
    FROM serving s LEFT JOIN models m ON m.version = s.champion
""")
_REGISTER = text("""
    INSERT INTO models (version, card, artifact_url, day)
    VALUES (:version, CAST(:card AS jsonb), :artifact_url, :day)
    ON CONFLICT (version) DO UPDATE SET artifact_url = excluded.artifact_url
""")
_JUDGED = text("""
    UPDATE models SET metrics = CAST(:metrics AS jsonb), verdict = CAST(:verdict AS jsonb),
        status = :status
    WHERE version = :version AND status <> 'published'
""")
_PUBLISHED = text("""
    UPDATE models SET status = 'published', artifact_url = :artifact_url
    WHERE version = :version AND artifact_url <> ''
""")
_CHAMPION = text("UPDATE serving SET champion = :version, champion_since = now()")
_PUBLICATION = text("""
    INSERT INTO publications (version, replaced, kind, reason) VALUES (:version, :replaced, :kind, :reason)
""")
_PUBLICATIONS = text("""
    SELECT published_at, kind, replaced, reason FROM publications WHERE version = :version
    ORDER BY publication_id
""")
_REPLACED = text("""
    SELECT replaced FROM publications WHERE version = :version AND kind <> 'rollback'
    ORDER BY publication_id DESC LIMIT 1
""")
_ENTRIES = """
    SELECT m.version, m.status, m.day, m.card, m.metrics, m.verdict, m.trained_at,
        m.version = s.champion IS TRUE AS champion,
        (SELECT max(p.published_at) FROM publications p WHERE p.version = m.version) AS published_at
    FROM models m, serving s
"""
_ALL = text(f"{_ENTRIES} ORDER BY m.trained_at DESC, m.version")
_NEWEST = text(f"{_ENTRIES} ORDER BY m.trained_at DESC, m.version LIMIT 1")
_ONE = text(f"{_ENTRIES} WHERE m.version = :version")
_SERVING = text(f"{_ENTRIES} WHERE m.version = s.champion")
Kind = Literal["gate", "forced", "rollback"]
_FILELESS = text("SELECT version FROM models WHERE artifact_url = ''")
_LET_GO = text("UPDATE models SET artifact_url = '' WHERE version = ANY(:versions)")
_LOCK = text("SELECT champion FROM serving FOR UPDATE")


@dataclass(frozen=True, slots=True)
class ServingState:
    """What every API process should be serving now."""

    champion: str | None
    artifact_url: str | None
    catalogue_revision: int


@dataclass(frozen=True, slots=True)
class Entry:
    version: str
    status: str  # candidate, refused or published
    day: date | None  # of the data; the first versions did not say
    card: Mapping[str, Any]
    metrics: Mapping[str, Any]
    verdict: Mapping[str, Any] | None  # None until it is judged
    trained_at: datetime
    champion: bool
    published_at: datetime | None  # when last


def serving_state(connection: Connection) -> ServingState:
    row = connection.execute(_STATE).one()
    return ServingState(row.champion, row.artifact_url, row.catalogue_revision)


def register(
    connection: Connection, version: str, card: str, artifact_url: str, day: date | None = None
) -> None:
    """The card as JSON. A version that is known already keeps its card, its metrics and its status."""
    values = {"version": version, "card": card, "artifact_url": artifact_url, "day": day}
    connection.execute(_REGISTER, values)


def entries(connection: Connection) -> list[Entry]:
    """The last trained first."""
    return [Entry(**row) for row in connection.execute(_ALL).mappings()]


def entry(connection: Connection, version: str | None = None) -> Entry:
    """The last trained one unless a version is named."""
    found = connection.execute(_ONE if version else _NEWEST, {"version": version} if version else {})
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no model version {version}." if version else "No model was trained yet.")
    return Entry(**row)


def champion(connection: Connection) -> Entry | None:
    row = connection.execute(_SERVING).mappings().one_or_none()
    return Entry(**row) if row else None


def fileless(connection: Connection) -> set[str]:
    """Versions whose files were let go."""
    return set(connection.execute(_FILELESS).scalars())


def let_files_go(connection: Connection, versions: Collection[str]) -> None:
    """Before they are deleted; a training that makes the version again registers them again."""
    connection.execute(_LET_GO, {"versions": list(versions)})


def lock_champion(connection: Connection) -> str | None:
    """Until the transaction ends nobody else makes a champion."""
    locked: str | None = connection.execute(_LOCK).scalar_one()
    return locked


def record_verdict(
    connection: Connection, version: str, metrics: Mapping[str, Any], verdict: Mapping[str, Any]
) -> None:
    """Of a version that was published meanwhile the verdict stands by which it was."""
    status = "refused" if verdict["outcome"] == "refused" else "candidate"
    written = {"metrics": json.dumps(metrics), "verdict": json.dumps(verdict)}
    connection.execute(_JUDGED, {"version": version, "status": status, **written})


def make_champion(
    connection: Connection,
    version: str,
    artifact_url: str,
    *,
    replaced: str | None,
    kind: Kind,
    reason: str | None,
) -> None:
    published = connection.execute(_PUBLISHED, {"version": version, "artifact_url": artifact_url})
    if not published.rowcount:
        raise Failed(f"The files of {version} are kept no longer.")
    connection.execute(_CHAMPION, {"version": version})
    publication = {"version": version, "replaced": replaced, "kind": kind, "reason": reason}
    connection.execute(_PUBLICATION, publication)


def replaced_by(connection: Connection, version: str) -> str | None:
    """Whom this version replaced when it was last published; a rollback to it does not count."""
    row = connection.execute(_REPLACED, {"version": version}).one_or_none()
    return row.replaced if row else None


def read_card(connection: Connection, version: str) -> dict[str, Any]:
    """The card, with what was measured, what the gate said, and when it was trained."""
    found = entry(connection, version)
    return {
        "version": version,
        **found.card,
        "metrics": found.metrics,
        "trained_at": found.trained_at,
        "status": found.status,
        "day": found.day,
        "champion": found.champion,
        "verdict": found.verdict,
    }


def publications(connection: Connection, version: str) -> list[dict[str, Any]]:
    """When it became the champion, the first first, with reasons that are not for clients."""
    rows = connection.execute(_PUBLICATIONS, {"version": version}).mappings()
    return [dict(row) for row in rows]
