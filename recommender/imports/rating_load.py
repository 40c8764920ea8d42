"""The ratings of one file in any order, from which duplicates must be set aside before they are merged."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.bulk import lock_catalogue, run, timestamps
from recommender.imports.rating_merge import Merged, RatingMerge
from recommender.imports.rating_rows import RatingRows, Ratings

_USERS_AT_ONCE = 5_000  # bounds what Postgres keeps in memory for the checks of foreign keys


class RatingLoad:
    """In this order: ``add`` block by block, ``set_duplicates_aside``, ``make_users``, ``merge``."""

    def __init__(self, connection: Connection, client_id: int, now: datetime) -> None:
        self._connection = connection
        self._merge = RatingMerge(connection, client_id, now)
        self._codes: dict[str, int] = {}

    def add(self, rows: RatingRows) -> None:
        if not len(rows.lines):
            return
        columns: dict[str, NDArray[Any]] = {
            "user_code": self._user_codes(rows.ratings),
            "movie_id": rows.ratings.movie_ids,
            "rating": rows.ratings.ratings.astype(np.float32),
            "rated_at": timestamps(rows.ratings.times),
            "line": rows.lines,
        }
        self._merge.add(columns)

    def _user_codes(self, ratings: Ratings) -> NDArray[np.int32]:
        """A user whose rows are all refused gets none, and is not made."""
        codes = np.zeros(len(ratings.external_ids), np.int32)
        for place in np.unique(ratings.users):
            codes[place] = self._codes.setdefault(ratings.external_ids[place], len(self._codes))
        return codes[ratings.users]

    def set_duplicates_aside(self) -> int:
        """Of one user's ratings of one movie the latest stays, and of equal times the later line."""
        self._merge.add_users((code, name, None) for name, code in self._codes.items())
        for statement in _DUPLICATES:
            run(self._connection, statement)
        return run(self._connection, "SELECT count(*) FROM duplicates")

    def duplicates(self, first_line: int, lines: int) -> dict[int, str]:
        """Those within these lines, each with its user."""
        within = {"first": first_line, "last": first_line + lines - 1}
        return dict(self._connection.execute(text(_DUPLICATES_WITHIN), within).all())

    def make_users(self) -> int:
        """How many are new. All are locked, in the order of their ids, until the transaction ends."""
        return self._merge.make_users()

    def merge(self, progress: Callable[[int, int], None]) -> Merged:
        merged, users = Merged(), len(self._codes)
        for start in range(0, users, _USERS_AT_ONCE):
            merged += self._merge.merge(start, start + _USERS_AT_ONCE - 1)
            progress(min(start + _USERS_AT_ONCE, users), users)
        self._merge.settle()
        return merged


def count_ratings(connection: Connection) -> None:
    """Of each movie, for the list of the popular; loads only add to it."""
    lock_catalogue(connection)
    run(connection, _COUNTED)


_DUPLICATES = (
    "CREATE INDEX ON incoming_ratings (user_code, movie_id)",
    "ANALYZE incoming_ratings",
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

_COUNTED = """
WITH counted AS (
    SELECT m.movie_id, count(r.user_id) AS ratings
    FROM movies m LEFT JOIN movies_users_rating r USING (movie_id) GROUP BY m.movie_id
), changed AS (
    UPDATE movies m SET ratings_count = c.ratings FROM counted c
    WHERE c.movie_id = m.movie_id AND m.ratings_count <> c.ratings RETURNING m.movie_id
)
UPDATE serving SET catalogue_revision = catalogue_revision + 1 WHERE EXISTS (SELECT FROM changed)"""
