"""Which ratings a model learns from, which users judge it, and the digest by which the same data are known.

Training sees ratings from before the day of users who are not in the gate. The gate is a fixed share of the
users, drawn by a hash of their id; nobody in it has been in the training of an earlier champion.

What one user and one client can move is bounded: of a user the newest ratings are learned from, of a client
those users who came first. Both rules are of the rows alone, so that the same rows are always the same data.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from recommender.days import begins, ends
from recommender.errors import NothingToDo
from recommender.history import LIKED
from recommender.statistics import MOST_RATINGS

NEWEST_USERS = 2_000
MOST_USERS = 1_000_000  # of one client that are learned from
_GATE_SHARE, _GATE_USERS, _GATE_AT_MOST = 0.05, 200, 1 / 3


def in_gate(user_id: int, share: float) -> bool:
    return gate_place(user_id) < share


def gate_place(user_id: int) -> float:
    """From 0 to 1. The same in SQL: _PLACE."""
    drawn = hashlib.md5(f"gate{user_id}".encode(), usedforsecurity=False).hexdigest()[:8]
    return int(drawn, 16) / 2**32


@dataclass(frozen=True, slots=True)
class Named:
    about: dict[str, Any]
    left_out: dict[str, int]  # users by the name of a client that has more than are learned from
    catalogue: Sequence[Any]  # rows of _CATALOGUE
    to_train: dict[str, Any]  # values of the query
    to_judge: dict[str, Any]  # and of those that see the day too


_MOMENT = "coalesce(rated_at, received_at)"
_PLACE = "('x' || substr(md5('gate' || user_id), 1, 8))::bit(32)::int8::float8 / 4294967296"
_ROWS = f"""
    movies_users_rating JOIN (SELECT user_id, client_id AS client, {_PLACE} AS place FROM users) u
    USING (user_id) WHERE {_MOMENT} < :before"""
_SELECTED = "SELECT user_id, movie_id, rating, coalesce(rated_at, '-infinity')"
_BY_USER = "ORDER BY user_id, movie_id"
_TO_TRAIN = f"{_ROWS} AND place >= CAST(:share AS float8)"
_FIRST_USERS = """NOT EXISTS (
    SELECT FROM unnest(CAST(:full AS bigint[]), CAST(:last AS bigint[])) f (full_client, last_user)
    WHERE full_client = client AND user_id > last_user)"""
TO_TRAIN = f"{_SELECTED} FROM {_TO_TRAIN} AND {_FIRST_USERS} {_BY_USER}"
OF_GATE = f"{_SELECTED} FROM {_ROWS} AND place < CAST(:share AS float8) {_BY_USER}"
OF_NEWEST = f"""
    {_SELECTED}, {_MOMENT} >= :begins FROM movies_users_rating JOIN (
        SELECT user_id FROM movies_users_rating
        WHERE {_MOMENT} >= :begins AND {_MOMENT} < :before AND rating >= {LIKED}
        GROUP BY user_id ORDER BY md5('newest' || user_id) LIMIT {NEWEST_USERS}
    ) newest USING (user_id) WHERE {_MOMENT} < :before {_BY_USER}"""
_SHARE_BEFORE = text("SELECT min((card #>> '{data,share}')::float8) FROM models WHERE status = 'published'")
_USERS = text(f"SELECT count(DISTINCT user_id) FROM {_ROWS}")
_BY_CLIENT = text(f"""
    WITH by_user AS (
        SELECT client, user_id, least(count(*), {MOST_RATINGS}) AS ratings,
            md5(int8send(user_id) || string_agg(
                int8send(movie_id) || float4send(rating) || coalesce(timestamptz_send(rated_at), ''),
                ''::bytea ORDER BY movie_id
            )) AS hash
        FROM {_TO_TRAIN} GROUP BY client, user_id
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY client ORDER BY user_id) <= :most AS learned FROM by_user
    )
    SELECT client, username, count(*) FILTER (WHERE NOT learned) AS left_out,
        max(user_id) FILTER (WHERE learned) AS last_user,
        count(*) FILTER (WHERE learned) AS users,
        sum(ratings) FILTER (WHERE learned)::bigint AS ratings,
        sum(('x' || substr(hash, 1, 16))::bit(64)::int8) FILTER (WHERE learned)::text AS high,
        sum(('x' || substr(hash, 17))::bit(64)::int8) FILTER (WHERE learned)::text AS low
    FROM ranked JOIN clients ON client_id = client GROUP BY client, username ORDER BY client""")
_CATALOGUE = text("""
    SELECT movie_id, year, kind,
           coalesce(array_agg(g.name ORDER BY g.name) FILTER (WHERE g.name IS NOT NULL), '{}') AS genres
    FROM movies LEFT JOIN movie_genres USING (movie_id) LEFT JOIN genres g USING (genre_id)
    GROUP BY movie_id ORDER BY movie_id""")


def name_data(connection: Connection, day: date, most_users: int = MOST_USERS) -> Named:
    """``most_users`` of a client are learned from at most."""
    values: dict[str, Any] = {"before": begins(day), "share": 0.0}
    share = values["share"] = _gate_share(connection, values)
    clients = connection.execute(_BY_CLIENT, {**values, "most": most_users}).all()
    if not clients:
        held_out = connection.execute(_USERS, values).scalar_one()
        why = "import some, or let clients send them"
        if held_out:
            why = f"the {held_out:,} users who rated are held out to judge by. There must be more of them"
        raise NothingToDo(f"There are no ratings to learn from before {day}: {why}.")
    full = [row for row in clients if row.left_out]
    catalogue = [tuple(row) for row in connection.execute(_CATALOGUE)]
    counted = {name: sum(getattr(row, name) for row in clients) for name in ("users", "ratings")}
    hashed = [str(sum(int(getattr(row, name)) for row in clients)) for name in ("high", "low")]
    identity = [counted["ratings"], counted["users"], *hashed, share, catalogue, MOST_RATINGS]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    about = {"digest": digest, "day": str(day), "cutoff": begins(day).isoformat(), "share": share}
    left_out = {str(row.client): row.left_out for row in full}
    to_train = values | {"full": [row.client for row in full], "last": [row.last_user for row in full]}
    to_judge = {**values, "before": ends(day), "begins": begins(day)}
    told = about | counted | {"movies": len(catalogue), "left_out": left_out}
    return Named(told, {row.username: row.left_out for row in full}, catalogue, to_train, to_judge)


def _gate_share(connection: Connection, values: Mapping[str, Any]) -> float:
    """At least 200 users where there are that many, and never more than an earlier champion's."""
    users = connection.execute(_USERS, values).scalar_one()
    wanted: float = max(_GATE_SHARE, min(_GATE_USERS / max(1, users), _GATE_AT_MOST))
    before: float | None = connection.execute(_SHARE_BEFORE).scalar_one()
    return wanted if before is None else min(wanted, before)
