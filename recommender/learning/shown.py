"""What lists of ours have shown to the users that the gate asks about.

Viewers watch what they are shown, and it was shown because the champion ranked it high: asked about that, no
candidate is as good as the champion. So the snapshot tells the gate what was shown.
"""

import hashlib
from collections.abc import Iterable
from heapq import nsmallest
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from recommender.evaluation import FEWEST_LIKES
from recommender.history import LIKED
from recommender.manifests import Making
from recommender.unloading import Part, Rows, copy_out

SHOWN = "shown.parquet"
MOST = 5_000  # held-out users that are asked about
MOST_LISTS = 500  # of one user, the newest
_COLUMNS = {"user_id": "i8", "movie_id": "i8"}
_SCHEMA = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in _COLUMNS])
# Whether a list that a client fetched at night was shown is not known; it may have been.
_SHOWN = f"""
    SELECT DISTINCT user_id, movie_id FROM users u CROSS JOIN LATERAL (
        (SELECT movie_ids FROM recommendations r WHERE r.client_id = u.client_id AND r.user_id = u.user_id
         ORDER BY served_at DESC, recommendation_id LIMIT {MOST_LISTS})
        UNION ALL
        SELECT movie_ids FROM nightly_lists n WHERE n.user_id = u.user_id AND n.day < CAST(:day AS date)
    ) lists CROSS JOIN LATERAL unnest(movie_ids) AS shown (movie_id)
    WHERE user_id = ANY(CAST(:users AS bigint[])) ORDER BY user_id, movie_id"""


class Drawn:
    """The users who will be asked about, of rows that come by whole users."""

    def __init__(self) -> None:
        self.users: list[int] = []

    def add(self, rows: Rows) -> None:
        users, likes = np.unique(rows["user_id"][rows["rating"] >= LIKED], return_counts=True)
        self.users = drawn(chain(self.users, users[likes >= FEWEST_LIKES].tolist()))


def drawn(users: Iterable[int], most: int = MOST) -> list[int]:
    """By a hash of their ids, so that each is drawn whoever else there is."""
    return nsmallest(most, users, key=lambda user: hashed(f"gate{user}"))


def hashed(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def write_shown(connection: Connection, making: Making, users: Iterable[int], day: str) -> None:
    """A row for each movie that stood in a list for one of the users, none of a night after the day's end."""
    asked = {"users": sorted(users), "day": day}
    with making.file(SHOWN) as file, Part(file.as_file(), _SCHEMA) as part:

        def take(rows: Rows) -> None:
            columns: dict[str, Any] = {name: np.ascontiguousarray(rows[name]) for name in _COLUMNS}
            part.add(pa.table(columns, _SCHEMA))

        copy_out(connection, _SHOWN, asked, _COLUMNS, take)
        file.rows = part.rows
