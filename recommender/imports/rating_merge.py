"""Ratings of one client in temporary tables, merged into its rows by a few statements at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from recommender.bulk import copy_arrays, copy_rows, lock_catalogue, run

LAST_CODE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Merged:
    loaded: int = 0  # new or changed
    unchanged: int = 0
    superseded: int = 0  # older than what was there

    def __add__(self, other: "Merged") -> "Merged":
        return Merged(
            self.loaded + other.loaded, self.unchanged + other.unchanged, self.superseded + other.superseded
        )


class RatingMerge:
    """In this order: the users, ``make_users``, then ``add`` and ``merge`` piece by piece, ``settle``."""

    def __init__(self, connection: Connection, client_id: int, now: datetime) -> None:
        self._connection, self._client_id, self._now = connection, client_id, now
        self._loaded = False
        for statement in _STAGING:
            run(connection, statement)

    def add_users(self, users: Iterable[tuple[int, str, str | None]]) -> None:
        """The code that stands for each in its ratings, the name, and the genre profile as JSON."""
        copy_rows(self._connection, "incoming_users", "user_code, external_id, genre_profile", users)

    def add_tastes(self, codes: NDArray[np.int32], tastes: NDArray[np.float32]) -> None:
        if len(codes):
            copy_arrays(self._connection, "incoming_tastes", {"user_code": codes, "taste": tastes})

    def make_users(self, space: str | None = None) -> int:
        """How many are new. All are locked, in the order of their ids, until the transaction ends.

        ``space`` is that of the tastes. Only users who are new have use for their profiles and tastes.
        """
        for name in ("users", "tastes"):
            run(self._connection, f"ANALYZE incoming_{name}")
        made = run(self._connection, _NEW_USERS, client_id=self._client_id, space=space)
        run(self._connection, _USER_IDS, client_id=self._client_id)
        run(self._connection, "CREATE INDEX ON incoming_users (user_id)")
        run(self._connection, "ANALYZE incoming_users")  # else the planner thinks that none was made
        run(self._connection, _LOCKED_USERS)
        return made

    def add(self, columns: Mapping[str, NDArray[Any]]) -> None:
        copy_arrays(self._connection, "incoming_ratings", columns)

    def merge(self, first: int = 0, last: int = LAST_CODE) -> Merged:
        """The rows of the users with these codes."""
        run(self._connection, "TRUNCATE merging")
        rows = run(self._connection, _FATES, first=first, last=last)
        values = {"client_id": self._client_id, "now": self._now}
        new = run(self._connection, _INSERTED, **values)
        changed = run(self._connection, _UPDATED, **values) if new < rows else 0
        if new:
            run(self._connection, _COUNTED_IN)
        if new or changed:
            self._loaded = True
            run(self._connection, _CHANGED_USERS)
        left = rows - new - changed
        superseded = run(self._connection, _SUPERSEDED) if left else 0
        return Merged(new + changed, left - superseded, superseded)

    def clear(self) -> None:
        """For the next piece."""
        run(self._connection, "TRUNCATE incoming_ratings")

    def settle(self) -> None:
        """What follows from changed rows. The catalogue is locked from here until the transaction ends."""
        if self._loaded:
            run(self._connection, _STALE)
            run(self._connection, _SUMMED)
            lock_catalogue(self._connection)
            run(self._connection, _MORE_RATINGS)


# What is joined has an index, so that a planner with old statistics is slow at worst, and never quadratic.
_STAGING = (
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL maintenance_work_mem = '256MB'",
    """CREATE TEMPORARY TABLE incoming_users (
        user_code integer PRIMARY KEY, external_id text NOT NULL UNIQUE, genre_profile jsonb,
        user_id bigint, made boolean NOT NULL DEFAULT false
    ) ON COMMIT DROP""",
    "CREATE TEMPORARY TABLE incoming_tastes (user_code integer PRIMARY KEY, taste vector) ON COMMIT DROP",
    """CREATE TEMPORARY TABLE incoming_ratings (
        user_code integer NOT NULL, movie_id bigint NOT NULL, rating real NOT NULL,
        rated_at timestamptz NOT NULL, line bigint
    ) ON COMMIT DROP""",
    """CREATE TEMPORARY TABLE merging (
        user_id bigint NOT NULL, movie_id bigint NOT NULL, rating real NOT NULL,
        rated_at timestamptz NOT NULL, fate text NOT NULL
    ) ON COMMIT DROP""",
    "CREATE TEMPORARY TABLE changed_users (user_id bigint PRIMARY KEY) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE new_ratings (movie_id bigint, ratings bigint) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE more_ratings (movie_id bigint PRIMARY KEY, ratings bigint) ON COMMIT DROP",
)

# In the order of the names, so that two loads at once wait for each other instead of for ever.
_NEW_USERS = """
WITH made AS (
    INSERT INTO users (client_id, external_id, taste, space, genre_profile, profiled_at)
    SELECT :client_id, i.external_id, t.taste, CASE WHEN t.taste IS NOT NULL THEN :space END,
           i.genre_profile, CASE WHEN i.genre_profile IS NOT NULL THEN now() END
    FROM incoming_users i LEFT JOIN incoming_tastes t USING (user_code)
    WHERE NOT EXISTS (SELECT FROM users u WHERE u.client_id = :client_id AND u.external_id = i.external_id)
    ORDER BY i.external_id
    ON CONFLICT (client_id, external_id) DO NOTHING
    RETURNING user_id, external_id
), known AS (
    UPDATE incoming_users i SET user_id = made.user_id, made = true
    FROM made WHERE made.external_id = i.external_id
)
SELECT count(*) FROM made"""

_USER_IDS = """
UPDATE incoming_users i SET user_id = u.user_id FROM users u
WHERE i.user_id IS NULL AND u.client_id = :client_id AND u.external_id = i.external_id"""

_LOCKED_USERS = """
SELECT count(*) FROM (
    SELECT FROM users u JOIN incoming_users i USING (user_id) WHERE NOT i.made
    ORDER BY u.user_id FOR NO KEY UPDATE OF u
) locked"""

# A rating without a time is as old as its receipt. Nobody else sees the users that this transaction made, so
# that theirs are all new. OFFSET 0 keeps the planner to the index, whatever the size of the table.
_FATES = """
INSERT INTO merging
SELECT u.user_id, r.movie_id, r.rating, r.rated_at, CASE
    WHEN kept.received_at IS NULL THEN 'new'
    WHEN coalesce(kept.rated_at, kept.received_at) < r.rated_at THEN 'changed'
    WHEN kept.rated_at = r.rated_at AND (kept.rating <> r.rating OR kept.implied) THEN 'changed'
    WHEN kept.rated_at = r.rated_at THEN 'unchanged'
    ELSE 'superseded' END
FROM incoming_ratings r JOIN incoming_users u USING (user_code)
LEFT JOIN LATERAL (
    SELECT rating, implied, rated_at, received_at FROM movies_users_rating k
    WHERE NOT u.made AND k.user_id = u.user_id AND k.movie_id = r.movie_id OFFSET 0
) kept ON true
WHERE user_code BETWEEN :first AND :last ORDER BY u.user_id"""

_SUPERSEDED = "SELECT count(*) FROM merging WHERE fate = 'superseded'"

# The users are locked, so that nobody else writes a rating of theirs.
_INSERTED = """
INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, rated_at, received_at)
SELECT :client_id, user_id, movie_id, rating, rated_at, :now FROM merging WHERE fate = 'new'"""

_UPDATED = """
INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, rated_at, received_at)
SELECT :client_id, user_id, movie_id, rating, rated_at, :now FROM merging WHERE fate = 'changed'
ON CONFLICT (user_id, movie_id) DO UPDATE
SET rating = excluded.rating, implied = false,
    rated_at = excluded.rated_at, received_at = excluded.received_at"""

_COUNTED_IN = """
INSERT INTO new_ratings SELECT movie_id, count(*) FROM merging WHERE fate = 'new' GROUP BY movie_id"""

_SUMMED = "INSERT INTO more_ratings SELECT movie_id, sum(ratings) FROM new_ratings GROUP BY movie_id"

_CHANGED_USERS = """
INSERT INTO changed_users SELECT DISTINCT user_id FROM merging WHERE fate IN ('new', 'changed')
ON CONFLICT DO NOTHING"""

# A new `updated_at` tells whoever is folding the user's old history that it is too late. Users that this
# transaction made have it already, and a taste that fits.
_STALE = """
UPDATE users SET taste = NULL, space = NULL, updated_at = now()
WHERE updated_at <> now() AND user_id IN (SELECT user_id FROM changed_users)"""

_MORE_RATINGS = """
WITH counted AS (
    UPDATE movies m SET ratings_count = m.ratings_count + more.ratings FROM more_ratings more
    WHERE more.movie_id = m.movie_id RETURNING m.movie_id
)
UPDATE serving SET catalogue_revision = catalogue_revision + 1 WHERE EXISTS (SELECT FROM counted)"""
