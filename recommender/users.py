"""Users of one client: who they are, what they rated, and what the model believes of them.

Every function runs inside `database.client_scope`, or as the pipeline, and names the client as well.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json
from sqlalchemy import Connection, Row, text

from recommender.errors import NotFound
from recommender.history import History


@dataclass(frozen=True, slots=True)
class User:
    user_id: int
    external_id: str | None
    preferences: Mapping[str, float]
    space: str | None
    created_at: datetime
    updated_at: datetime
    history: History
    dismissed: frozenset[int]


@dataclass(frozen=True, slots=True)
class Rated:
    """One rating on its way in. Without a time its place in the user's order is unknown."""

    user_id: int
    movie_id: int
    rating: float
    implied: bool = False
    rated_at: datetime | None = None


READ = """
    SELECT u.user_id, u.external_id, u.preferences, u.space, u.created_at, u.updated_at,
           h.movie_ids, h.ratings, h.times, d.movie_ids AS dismissed
    FROM users u
    CROSS JOIN LATERAL (
        SELECT array_agg(movie_id) AS movie_ids, array_agg(rating) AS ratings,
               array_agg(extract(epoch FROM rated_at)::float8) AS times
        FROM (SELECT movie_id, rating, rated_at FROM movies_users_rating r
              WHERE r.user_id = u.user_id ORDER BY rated_at NULLS FIRST, movie_id) past
    ) h
    CROSS JOIN LATERAL (
        SELECT array_agg(movie_id) AS movie_ids FROM dismissals x WHERE x.user_id = u.user_id
    ) d
    WHERE
"""
_BY_IDS = text(READ + "u.client_id = :client_id AND u.user_id = ANY(:ids)")
_BY_NAMES = text(READ + "u.client_id = :client_id AND u.external_id = ANY(:names)")


def read_users(
    connection: Connection, client_id: int, ids: Sequence[int] = (), names: Sequence[str] = ()
) -> list[User]:
    """Those that exist, in no order, in at most two queries."""
    found: list[Row[Any]] = []
    if ids:
        found += connection.execute(_BY_IDS, {"client_id": client_id, "ids": list(ids)}).all()
    if names:
        found += connection.execute(_BY_NAMES, {"client_id": client_id, "names": list(names)}).all()
    return [user_as_read(row) for row in found]


def read_user(connection: Connection, client_id: int, user_id: int) -> User:
    for user in read_users(connection, client_id, ids=[user_id]):
        return user
    raise NotFound(f"There is no user {user_id}.")


def user_as_read(row: Any) -> User:
    """Of a row of READ, which gives the history in the order that History has."""
    history = History(
        np.array(row.movie_ids or (), np.int64),
        np.array(row.ratings or (), np.float32),
        np.array(row.times or (), np.float64),  # None becomes NaN
    )
    return User(
        row.user_id,
        row.external_id,
        row.preferences,
        row.space,
        row.created_at,
        row.updated_at,
        history,
        frozenset(row.dismissed or ()),
    )


_FIND = text("""
    SELECT user_id, external_id FROM users
    WHERE client_id = :client_id AND (user_id = ANY(:ids) OR external_id = ANY(:names))
""")


def find_ids(
    connection: Connection, client_id: int, ids: Sequence[int], names: Sequence[str]
) -> tuple[set[int], dict[str, int]]:
    """Which of the ids exist, and the ids of those names that do."""
    asked = {"client_id": client_id, "ids": list(ids), "names": list(names)}
    rows = connection.execute(_FIND, asked).all()
    return {row.user_id for row in rows}, {row.external_id: row.user_id for row in rows if row.external_id}


_CREATE_NAMED = text("""
    INSERT INTO users (client_id, external_id)
    SELECT :client_id, name FROM unnest(CAST(:names AS text[])) AS name ORDER BY name
    ON CONFLICT (client_id, external_id) DO NOTHING
""")


def written(vector: NDArray[np.float32]) -> str:
    """As pgvector reads it."""
    return to_json(vector.tolist()).decode()


def ids_of_names(connection: Connection, client_id: int, names: Sequence[str]) -> tuple[dict[str, int], int]:
    """The user of each external id, and how many had to be made; callers that race agree."""
    wanted = sorted(set(names))
    made = connection.execute(_CREATE_NAMED, {"client_id": client_id, "names": wanted}).rowcount
    known = find_ids(connection, client_id, [], wanted)[1]
    if len(known) < len(wanted):
        raise NotFound("A user was deleted meanwhile.")
    return known, made


# One order for all callers, so that two of them never wait for each other. A taste is stale from here on.
_CLAIM = text("""
    WITH mine AS (SELECT user_id FROM users WHERE client_id = :client_id AND user_id = ANY(:ids)
                  ORDER BY user_id FOR NO KEY UPDATE)
    UPDATE users u SET taste = NULL, space = NULL, updated_at = now() FROM mine WHERE u.user_id = mine.user_id
    RETURNING u.user_id
""")
# Neither an older rating nor a mere like replaces a stored one.
NEWER = """
    ON CONFLICT (user_id, movie_id) DO UPDATE
    SET rating = excluded.rating, implied = excluded.implied, rated_at = excluded.rated_at,
        received_at = now()
    WHERE (old.implied OR NOT excluded.implied)
      AND coalesce(excluded.rated_at, now()) >= coalesce(old.rated_at, old.received_at)
"""
_ADD = text(f"""
    INSERT INTO movies_users_rating AS old (client_id, user_id, movie_id, rating, implied, rated_at)
    SELECT :client_id, r.user_id, r.movie_id, r.rating, r.implied, r.rated_at
    FROM unnest(CAST(:users AS bigint[]), CAST(:movies AS bigint[]), CAST(:marks AS real[]),
                CAST(:implied AS boolean[]), CAST(:times AS timestamptz[]))
         AS r (user_id, movie_id, rating, implied, rated_at)
    {NEWER}
""")


def claim(connection: Connection, client_id: int, user_ids: Collection[int]) -> None:
    """Locks the users until the transaction ends; each must exist."""
    asked = {"client_id": client_id, "ids": sorted(set(user_ids))}
    missing = set(user_ids) - set(connection.execute(_CLAIM, asked).scalars())
    if missing:
        raise NotFound(f"There is no user {min(missing)}.")


def add_ratings(connection: Connection, client_id: int, rows: Sequence[Rated]) -> None:
    """One statement for all, after `claim`."""
    rows = latest(rows)
    values: dict[str, Any] = {
        "client_id": client_id,
        "users": [row.user_id for row in rows],
        "movies": [row.movie_id for row in rows],
        "marks": [row.rating for row in rows],
        "implied": [row.implied for row in rows],
        "times": [row.rated_at for row in rows],
    }
    connection.execute(_ADD, values)


def latest(rows: Sequence[Rated]) -> list[Rated]:
    """Of a pair that comes twice the later in time, as in `History.of`."""
    in_time = sorted(rows, key=lambda row: row.rated_at.timestamp() if row.rated_at else -math.inf)
    return list({(row.user_id, row.movie_id): row for row in in_time}.values())


_DISMISS = text("""
    INSERT INTO dismissals (client_id, user_id, movie_id) VALUES (:client_id, :user_id, :movie_id)
    ON CONFLICT DO NOTHING
""")


def dismiss(connection: Connection, client_id: int, user_id: int, movie_id: int) -> None:
    connection.execute(_DISMISS, {"client_id": client_id, "user_id": user_id, "movie_id": movie_id})


def moment(seconds: float) -> datetime | None:
    """A time of a history as a date, None where it is unknown."""
    return None if np.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)


_EXPORTED = {
    "taste": "SELECT CAST(taste AS real[]) AS vector, space, genre_profile, updated_at FROM users",
    "ratings": "SELECT movie_id, rating, implied, rated_at, received_at FROM movies_users_rating",
    "dismissed": "SELECT movie_id, dismissed_at FROM dismissals",
    "feedback": "SELECT recommendation_id, movie_id, event, rating, received_at FROM feedback",
    "recommendations": "SELECT recommendation_id, served_at, version, source, movie_ids FROM recommendations",
    "nightly_lists": "SELECT day, version, source, movie_ids, scores FROM nightly_lists",
    "idempotency_keys": "SELECT key, created_at, response FROM idempotency_keys",
}
_EXPORTED_REJECTS = (
    "SELECT file, line, rule, row FROM rejects WHERE client_id = :client_id AND external_id = :name"
)


def export_user(connection: Connection, client_id: int, user: User) -> dict[str, list[dict[str, Any]]]:
    """Every row that belongs to the user, by table."""
    queries = {
        name: f"{query} WHERE client_id = :client_id AND user_id = :user_id"
        for name, query in _EXPORTED.items()
    }
    asked = {"client_id": client_id, "user_id": user.user_id, "name": user.external_id}
    return {
        name: [dict(row) for row in connection.execute(text(f"{query} ORDER BY 1, 2"), asked).mappings()]
        for name, query in {**queries, "rejects": _EXPORTED_REJECTS}.items()
    }
