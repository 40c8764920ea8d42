"""The registry of models in Postgres: every version that was trained, and which one is the champion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from recommender.errors import NotFound

_STATE = text("""
    SELECT s.champion, s.catalogue_revision, m.artifact_url, v.version_num AS schema
    FROM alembic_version v, serving s LEFT JOIN models m ON m.version = s.champion
""")
_REGISTER = text("""
    INSERT INTO models (version, card, artifact_url) VALUES (:version, CAST(:card AS jsonb), :artifact_url)
    ON CONFLICT (version) DO UPDATE SET artifact_url = excluded.artifact_url
""")
_PUBLISH = text("UPDATE models SET status = 'published' WHERE version = :version")
_CHAMPION = text("UPDATE serving SET champion = :version, champion_since = now()")
_CARD = text("SELECT card, metrics, trained_at FROM models WHERE version = :version")


@dataclass(frozen=True, slots=True)
class ServingState:
    """What every API process should be serving now."""

    champion: str | None
    artifact_url: str | None
    catalogue_revision: int
    schema: str


def serving_state(connection: Connection) -> ServingState:
    row = connection.execute(_STATE).one()
    return ServingState(row.champion, row.artifact_url, row.catalogue_revision, row.schema)


def register(connection: Connection, version: str, card: str, artifact_url: str) -> None:
    """The card as JSON. A version that is known already keeps its card, its metrics and its status."""
    connection.execute(_REGISTER, {"version": version, "card": card, "artifact_url": artifact_url})


def publish(connection: Connection, version: str) -> None:
    if connection.execute(_PUBLISH, {"version": version}).rowcount == 0:
        raise NotFound(f"There is no model version {version}.")
    connection.execute(_CHAMPION, {"version": version})


def read_card(connection: Connection, version: str) -> Mapping[str, Any]:
    """The card, with what was measured and when it was trained."""
    row = connection.execute(_CARD, {"version": version}).one_or_none()
    if row is None:
        raise NotFound(f"There is no model version {version}.")
    return {"version": version, **row.card, "metrics": row.metrics, "trained_at": row.trained_at}
