"""A viewer's visit in one round trip: statements that open the client's scope, write what is told and read.

They go out as one text, which Postgres runs as one transaction; a connection has them prepared. For a client
that is not active they do nothing, and the rows of the last one say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from recommender.errors import NotFound, Refused
from recommender.users import NEWER, READ, Rated, User, latest, user_as_read, written

_STATUS = "current_setting('marquee.status')"
_MADE = "coalesce(nullif(current_setting('marquee.made', true), ''), '0')::int"
_READ = f"""
    SELECT {_STATUS} AS status, {_MADE} AS made, found.* FROM (SELECT) one
    LEFT JOIN ({READ} u.client_id = $1 AND {{}}) found ON true
"""
# In one statement: the user is locked before ratings are added, and the taste is stale from here on.
_TELL = f"""
    WITH mine AS (
        SELECT user_id FROM users WHERE client_id = $1 AND {{}} AND {_STATUS} = 'active' FOR NO KEY UPDATE
    ), stale AS (
        UPDATE users u SET taste = NULL, space = NULL, updated_at = now(),
                           preferences = coalesce($3, preferences)
        FROM mine WHERE u.user_id = mine.user_id RETURNING u.user_id
    )
    INSERT INTO movies_users_rating AS old (client_id, user_id, movie_id, rating, implied, rated_at)
    SELECT $1, stale.user_id, r.* FROM stale, unnest($4, $5, $6, $7) r {NEWER}
"""
_TOLD = "bigint[], real[], boolean[], timestamptz[]"
_STATEMENTS = {
    "enter (bigint)": "SELECT set_config('marquee.status', coalesce(enter_client($1), 'gone'), true)",
    "by_id (bigint, bigint)": _READ.format("u.user_id = $2"),
    "by_name (bigint, text)": _READ.format("u.external_id = $2"),
    "many (bigint, bigint[], text[])": _READ.format("""u.user_id IN (
        SELECT unnest($2)
        UNION ALL SELECT n.user_id FROM users n WHERE n.client_id = $1 AND n.external_id = ANY($3))"""),
    f"newcomer (bigint, jsonb, text, text, {_TOLD})": f"""
        WITH made AS (
            INSERT INTO users (client_id, preferences, taste, space)
            SELECT $1, $2, CAST($3 AS vector), $4 WHERE {_STATUS} = 'active' RETURNING user_id
        ), told AS (
            INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, implied, rated_at)
            SELECT $1, made.user_id, r.* FROM made, unnest($5, $6, $7, $8) r
        )
        SELECT {_STATUS} AS status, (SELECT user_id FROM made) AS user_id""",
    "name (bigint, text)": f"""
        WITH made AS (
            INSERT INTO users (client_id, external_id) SELECT $1, $2 WHERE {_STATUS} = 'active'
            ON CONFLICT (client_id, external_id) DO NOTHING RETURNING 1
        )
        SELECT set_config('marquee.made', count(*)::text, true) FROM made""",
    f"tell_id (bigint, bigint, jsonb, {_TOLD})": _TELL.format("user_id = $2"),
    f"tell_name (bigint, text, jsonb, {_TOLD})": _TELL.format("external_id = $2"),
    # Nobody waits: who is locked, or changed since, is folded when next met.
    "keep (bigint[], text[], timestamptz[], text)": """
        WITH fresh AS (
            SELECT u.user_id, s.taste FROM unnest($1, $2, $3) AS s (user_id, taste, updated_at)
            JOIN users u ON u.user_id = s.user_id AND u.updated_at = s.updated_at
            WHERE $4 = (SELECT champion FROM serving)
            ORDER BY u.user_id FOR NO KEY UPDATE OF u SKIP LOCKED
        )
        UPDATE users u SET taste = CAST(fresh.taste AS vector), space = $4
        FROM fresh WHERE u.user_id = fresh.user_id""",
}
PREPARED = ";".join(f"PREPARE visit_{name} AS {statement}" for name, statement in _STATEMENTS.items())


@dataclass(frozen=True, slots=True)
class Visit:
    """Statements in the driver's form, and their values."""

    text: str
    values: tuple[Any, ...] = ()

    def then(self, other: "Visit") -> "Visit":
        return Visit(f"{self.text}; {other.text}", self.values + other.values)


def entering(client_id: int) -> Visit:
    """What comes after it, in the same transaction, sees this client's rows and no others."""
    return Visit("EXECUTE visit_enter(%s)", (client_id,))


def reading(client_id: int, user: int | str) -> Visit:
    """A user by our id (a number) or by the client's (a text)."""
    statement = "visit_by_id" if isinstance(user, int) else "visit_by_name"
    return Visit(f"EXECUTE {statement}(%s, %s)", (client_id, user))


def reading_many(client_id: int, ids: Sequence[int], names: Sequence[str]) -> Visit:
    return Visit("EXECUTE visit_many(%s, %s, %s)", (client_id, list(ids), list(names)))


def making(
    client_id: int,
    preferences: Mapping[str, float],
    taste: NDArray[np.float32] | None,
    space: str | None,
    told: Sequence[Rated],
) -> Visit:
    """A user without a name, with the taste vector that the ratings have."""
    user = (client_id, _json(preferences), None if taste is None else written(taste), space)
    return Visit("EXECUTE visit_newcomer(%s, %s, %s, %s, %s, %s, %s, %s)", (*user, *_columns(told)))


def telling(
    client_id: int, user: int | str, preferences: Mapping[str, float], told: Sequence[Rated]
) -> Visit:
    """Ratings and preferences of a user, who is made when the client's name for it is new."""
    values = (client_id, user, _json(preferences) if preferences else None, *_columns(told))
    if isinstance(user, int):
        return Visit("EXECUTE visit_tell_id(%s, %s, %s, %s, %s, %s, %s)", values)
    named = Visit("EXECUTE visit_name(%s, %s)", (client_id, user))
    return named.then(Visit("EXECUTE visit_tell_name(%s, %s, %s, %s, %s, %s, %s)", values))


def keeping(tastes: Sequence[tuple[User, NDArray[np.float32]]], space: str) -> Visit:
    """The taste vectors of users as they were read, for as long as nobody has changed them since."""
    ids = [user.user_id for user, _ in tastes]
    read = [user.updated_at for user, _ in tastes]
    values = (ids, [written(taste) for _, taste in tastes], read, space)
    return Visit("EXECUTE visit_keep(%s, %s, %s, %s)", values)


def users_of(rows: Sequence[Any]) -> list[User]:
    """Those that exist, in no order."""
    admitted(rows)
    return [user_as_read(row) for row in rows if row.user_id is not None]


def user_of(rows: Sequence[Any], name: int | str) -> User:
    for user in users_of(rows):
        return user
    raise NotFound(f"There is no user {name!r}.")


def admitted(rows: Sequence[Any]) -> None:
    if rows[0].status != "active":
        raise Refused("This client is disabled or gone.")


def _json(preferences: Mapping[str, float]) -> str:
    return to_json(dict(preferences)).decode()


def _columns(told: Sequence[Rated]) -> tuple[str, str, str, str]:
    """Arrays as Postgres writes them."""
    rows = latest(told)
    return (
        _array([str(row.movie_id) for row in rows]),
        _array([str(row.rating) for row in rows]),
        _array(["t" if row.implied else "f" for row in rows]),
        _array([row.rated_at.isoformat() if row.rated_at else "NULL" for row in rows]),
    )


def _array(values: list[str]) -> str:
    return "{" + ",".join(values) + "}"
