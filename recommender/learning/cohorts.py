"""Some thousand users at a time, with all that ranks for them, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from recommender.bulk import unix_seconds
from recommender.folding import Histories, Ints
from recommender.unloading import Rows, read_out

AT_ONCE = 5_000  # users; bounds what a verb holds in memory


@dataclass(frozen=True, slots=True)
class Cohort:
    """Place i of everything is the user ``user_ids[i]``; ids ascend."""

    user_ids: Ints
    histories: Histories
    wishes: Mapping[int, Mapping[str, float]]  # stated preferences, by place


_RATINGS = """
    SELECT user_id, movie_id, rating, coalesce(rated_at, '-infinity') FROM movies_users_rating
    WHERE user_id = ANY(CAST(:ids AS bigint[])) AND coalesce(rated_at, received_at) < :until
"""
_WISHES = text("SELECT user_id, preferences FROM users WHERE user_id = ANY(:ids) AND preferences <> '{}'")


def read_cohort(connection: Connection, user_ids: Ints, until: datetime | None = None) -> Cohort:
    """``until``: what was rated later is not there yet."""
    ids = user_ids.tolist()
    kinds = {"user": "i8", "movie": "i8", "rating": "f4", "time": "i8"}
    rows = read_out(connection, _RATINGS, {"ids": ids, "until": until or "infinity"}, kinds)
    wishes = {row.user_id: row.preferences for row in connection.execute(_WISHES, {"ids": ids})}
    places = np.searchsorted(user_ids, list(wishes)).tolist()
    return Cohort(user_ids, _histories(user_ids, rows), dict(zip(places, wishes.values(), strict=True)))


def _histories(user_ids: Ints, rows: Rows) -> Histories:
    order = np.lexsort((rows["movie"], rows["time"], rows["user"]))
    starts = np.searchsorted(rows["user"][order], user_ids)
    return Histories(
        np.append(starts, len(order)),
        rows["movie"][order],
        rows["rating"][order],
        unix_seconds(rows["time"][order]),
    )
