"""The ratings of one file, merged into one client's rows by a few statements over a temporary table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.bulk import copy_arrays, copy_rows, lock_catalogue, run, timestamps
from recommender.rating_rows import RatingRows, Ratings

_USERS_AT_ONCE = 5_000  # bounds what Postgres keeps in memory for the checks of foreign keys


@dataclass(frozen=True, slots=True)
class Merged:
    loaded: int  # new or changed
    unchanged: int
    superseded: int  # older than what was there


class RatingLoad:
    """In this order: ``add`` block by block, ``set_duplicates_aside``, ``make_users``, ``merge``."""

    def __init__(self, connection: Connection, client_id: int) -> None:
        self._connection, self._client_id = connection, client_id
        self._codes: dict[str, int] = {}
        self._staged = 0
        for statement in _STAGING:
            run(connection, statement)

    def add(self, rows: RatingRows) -> None:
        if not len(rows.lines):
            return
        self._staged += len(rows.lines)
        columns: dict[str, NDArray[Any]] = {
            "user_code": self._user_codes(rows.ratings),
            "movie_id": rows.ratings.movie_ids,
            "rating": rows.ratings.ratings.astype(np.float32),
            "rated_at": timestamps(rows.ratings.times),
            "line": rows.lines,
        }
        copy_arrays(self._connection, "incoming_ratings", columns)

    def _user_codes(self, ratings: Ratings) -> NDArray[np.int32]:
        """A user whose rows are all refused gets none, and is not made."""
        codes = np.zeros(len(ratings.external_ids), np.int32)
        for place in np.unique(ratings.users):
            codes[place] = self._codes.setdefault(ratings.external_ids[place], len(self._codes))
        return codes[ratings.users]

    def set_duplicates_aside(self) -> int:
        """Of one user's ratings of one movie the latest stays, and of equal times the later line."""
        copy_rows(
            self._connection,
            "incoming_users",
            "user_code, external_id",
            ((code, name) for name, code in self._codes.items()),
        )
        for statement in _DUPLICATES:
            run(self._connection, statement)
        found = run(self._connection, "SELECT count(*) FROM duplicates")
        self._staged -= found
        return found

    def duplicates(self, first_line: int, lines: int) -> dict[int, str]:
        """Those within these lines, each with its user."""
        within = {"first": first_line, "last": first_line + lines - 1}
        return dict(self._connection.execute(text(_DUPLICATES_WITHIN), within).all())

    def make_users(self) -> int:
        """How many are new. All are locked, in the order of their ids, until the transaction ends."""
        made = run(self._connection, _NEW_USERS, client_id=self._client_id)
        run(self._connection, _USER_IDS, client_id=self._client_id)
        run(self._connection, _LOCKED_USERS)
        return made

    def merge(self, now: datetime, progress: Callable[[int, int], None]) -> Merged:
        loaded, users = 0, len(self._codes)
        for start in range(0, users, _USERS_AT_ONCE):
            codes = {"first": start, "last": start + _USERS_AT_ONCE - 1}
            loaded += run(self._connection, _MERGED, client_id=self._client_id, now=now, **codes)
            progress(min(start + _USERS_AT_ONCE, users), users)
        left = self._staged - loaded
        superseded = run(self._connection, _SUPERSEDED) if left else 0
        if loaded:
            count_ratings(self._connection)
        return Merged(loaded, left - superseded, superseded)


def count_ratings(connection: Connection) -> None:
    """Of each movie, for the list of the popular."""
    lock_catalogue(connection)
    run(connection, _COUNTED)


_STAGING = (
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL maintenance_work_mem = '256MB'",
    """CREATE TEMPORARY TABLE incoming_users (
        user_code integer PRIMARY KEY, external_id text NOT NULL, user_id bigint
    ) ON COMMIT DROP""",
    """CREATE TEMPORARY TABLE incoming_ratings (
        user_code integer NOT NULL, movie_id bigint NOT NULL, rating real NOT NULL,
        rated_at timestamptz NOT NULL, line bigint NOT NULL
    ) ON COMMIT DROP""",
)

_DUPLICATES = (
    "CREATE INDEX ON incoming_ratings (user_code, movie_id)",
    "ANALYZE incoming_ratings",
    "ANALYZE incoming_users",
    """CREATE TEMPORARY TABLE duplicates ON COMMIT DROP AS
    SELECT line, user_code FROM (
        SELECT line, user_code, row_number() OVER (
            PARTITION BY user_code, movie_id ORDER BY rated_at DESC, line DESC
        ) AS place FROM incoming_ratings
    ) ranked WHERE place > 1""",
    "CREATE INDEX ON duplicates (line)",
    "DELETE FROM incoming_ratings r USING duplicates d WHERE d.line = r.line",
)

_DUPLICATES_WITHIN = """
SELECT line, external_id FROM duplicates JOIN incoming_users USING (user_code)
WHERE line BETWEEN :first AND :last"""

# In the order of the names, so that two imports at once wait for each other instead of for ever.
_NEW_USERS = """
INSERT INTO users (client_id, external_id)
SELECT :client_id, external_id FROM incoming_users ORDER BY external_id
ON CONFLICT (client_id, external_id) DO NOTHING"""

_USER_IDS = """
UPDATE incoming_users i SET user_id = u.user_id FROM users u
WHERE u.client_id = :client_id AND u.external_id = i.external_id"""

_LOCKED_USERS = """
SELECT count(*) FROM (
    SELECT FROM users u JOIN incoming_users i USING (user_id) ORDER BY u.user_id FOR NO KEY UPDATE OF u
) locked"""

# A rating without a time is as old as its receipt. A new `updated_at` tells whoever is folding the user's old
# history that it is too late; users made by this transaction have it already.
_MERGED = """
WITH merged AS (
    INSERT INTO movies_users_rating AS old (client_id, user_id, movie_id, rating, rated_at, received_at)
    SELECT :client_id, user_id, movie_id, rating, rated_at, :now
    FROM incoming_ratings JOIN incoming_users USING (user_code)
    WHERE user_code BETWEEN :first AND :last ORDER BY user_id, movie_id
    ON CONFLICT (user_id, movie_id) DO UPDATE
    SET rating = excluded.rating, implied = false,
        rated_at = excluded.rated_at, received_at = excluded.received_at
    WHERE coalesce(old.rated_at, old.received_at) < excluded.rated_at
    OR (old.rated_at = excluded.rated_at AND (old.rating <> excluded.rating OR old.implied))
    RETURNING old.user_id
), stale AS (
    UPDATE users SET taste = NULL, space = NULL, updated_at = now()
    WHERE user_id IN (SELECT user_id FROM merged) AND updated_at <> now()
)
SELECT count(*) FROM merged"""

_SUPERSEDED = """
SELECT count(*) FROM incoming_ratings r JOIN incoming_users USING (user_code)
JOIN movies_users_rating kept USING (user_id, movie_id)
WHERE coalesce(kept.rated_at, kept.received_at) >= r.rated_at
AND (kept.rated_at IS NULL OR kept.rated_at > r.rated_at)"""

_COUNTED = """
WITH counted AS (
    SELECT m.movie_id, count(r.user_id) AS ratings
    FROM movies m LEFT JOIN movies_users_rating r USING (movie_id) GROUP BY m.movie_id
), changed AS (
    UPDATE movies m SET ratings_count = c.ratings FROM counted c
    WHERE c.movie_id = m.movie_id AND m.ratings_count <> c.ratings RETURNING m.movie_id
)
UPDATE serving SET catalogue_revision = catalogue_revision + 1 WHERE EXISTS (SELECT FROM changed)"""
