"""The log of what was served: one row a request, written in batches by a thread, off the request's path.

A crash loses at most the batch that was waiting. When the database is away for long the oldest rows are
dropped, and counted.
"""

import json
import logging
import secrets
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from api.background import Background
from api.metrics import Metrics
from recommender.database import transaction
from recommender.errors import MarqueeError

log = logging.getLogger("marquee.served")
WAIT_S = 0.5
BATCH = 500
HELD = 20_000
USER_BITS, CHANCE_BITS = 40, 22
LAST_MS = 253_402_300_799_000  # the end of the year 9999
_UUID_VERSION = 8  # RFC 9562: the layout is ours


@dataclass(frozen=True, slots=True)
class Served:
    recommendation_id: uuid.UUID
    client_id: int
    user_id: int | None
    version: str | None
    source: str
    movie_ids: Sequence[int]


def new_id(user_id: int | None) -> uuid.UUID:
    """48 bits of time, chance, and the user, so that feedback finds its user before the log is written.

    time 48 | version 4 | chance 12 | variant 2 | user 40 | chance 22
    """
    milliseconds = time.time_ns() // 1_000_000
    low = ((user_id or 0) % (1 << USER_BITS)) << CHANCE_BITS | secrets.randbits(CHANCE_BITS)
    value = milliseconds << 80 | _UUID_VERSION << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | low
    return uuid.UUID(int=value)


def user_of(recommendation_id: uuid.UUID) -> int:
    """The user that the recommendation was made for; 0 for nobody. A forged id names a user at random."""
    return (recommendation_id.int >> CHANCE_BITS) & ((1 << USER_BITS) - 1)


def time_of(recommendation_id: uuid.UUID) -> datetime:
    """A forged id may name a time that no calendar has."""
    return datetime.fromtimestamp(min(recommendation_id.int >> 80, LAST_MS) / 1000, UTC)


class ServedLog:
    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine, self._metrics = engine, metrics
        self._waiting: deque[Served] = deque()
        self._background = Background("served", WAIT_S, self.write, metrics)

    def open(self) -> None:
        self._background.open()

    def close(self) -> None:
        """Writes what waits; a database that is away loses it."""
        self._background.close()
        self._background.turn()
        if self._waiting:
            log.warning("%d rows of the log are lost", len(self._waiting))
            self._metrics.log_dropped.inc(len(self._waiting))

    def put(self, served: Served) -> None:
        if len(self._waiting) >= HELD:
            self._waiting.popleft()
            self._metrics.log_dropped.inc()
        self._waiting.append(served)

    def write(self) -> None:
        """Everything that waits. What could not be written waits for the next time."""
        while batch := self._take():
            try:
                self._write(batch)
            except (MarqueeError, SQLAlchemyError) as error:
                log.warning("%d rows of the log wait: %s", len(batch), str(error).split("\n")[0])
                self._waiting.extendleft(reversed(batch))
                return
            except Exception:
                self._metrics.log_dropped.inc(len(batch))
                raise

    def _take(self) -> list[Served]:
        return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _write(self, batch: list[Served]) -> None:
        by_client: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in batch:
            by_client[row.client_id].append(_record(row))
        with transaction(self._engine) as connection:
            for client_id, rows in by_client.items():
                connection.execute(_ENTER, {"client_id": client_id})
                connection.execute(_INSERT, {"client_id": client_id, "rows": json.dumps(rows)})


_ENTER = text("SELECT enter_client(:client_id)")
# A user who was deleted meanwhile, or the client, takes the row along.
_INSERT = text("""
    INSERT INTO recommendations (recommendation_id, served_at, client_id, user_id, version, source, movie_ids)
    SELECT r.recommendation_id, r.served_at, c.client_id, r.user_id, r.version, r.source, r.movie_ids
    FROM clients c, jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        recommendation_id uuid, served_at timestamptz, user_id bigint, version text, source text,
        movie_ids bigint[])
    WHERE c.client_id = :client_id
      AND (r.user_id IS NULL OR EXISTS (SELECT 1 FROM users u WHERE u.user_id = r.user_id))
    ON CONFLICT DO NOTHING
""")


def _record(row: Served) -> dict[str, Any]:
    return {
        "recommendation_id": str(row.recommendation_id),
        "served_at": time_of(row.recommendation_id).isoformat(),
        "user_id": row.user_id,
        "version": row.version,
        "source": row.source,
        "movie_ids": list(row.movie_ids),
    }
