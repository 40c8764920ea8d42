"""How widely a day's lists were spread over the catalogue, summed up once the day is over."""

import math
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.days import begins, ends

MOST = 1_000_000  # lists of a day that are looked at; of more, every nth
BACK = 7  # days that are summed up afterwards where it was missed


@dataclass(frozen=True, slots=True)
class Exposure:
    day: date
    lists: int  # that were looked at
    movies: int  # that stood in one of them
    catalogue: int
    gini: float  # over the whole catalogue: 0 all equally often, near 1 a few always


def sum_up(connection: Connection, until: date, most: int = MOST) -> list[Exposure]:
    """Of the last days before ``until`` that were not, where lists were served; kept in a table."""
    days = [until - timedelta(days=back) for back in range(BACK, 0, -1)]
    known = set(connection.execute(_KNOWN, {"days": days}).scalars())
    found = [_of(connection, day, most) for day in days if day not in known]
    made = [exposure for exposure in found if exposure]
    for exposure in made:
        connection.execute(_KEEP, asdict(exposure))
    return made


def _of(connection: Connection, day: date, most: int) -> Exposure | None:
    bounds = {"from": begins(day), "to": ends(day), "first": _id(begins(day)), "last": _id(ends(day))}
    every = max(1, math.ceil(connection.execute(_COUNT, bounds).scalar_one() / most))
    lists = connection.execute(_LISTS, bounds | {"every": every}).scalar_one()
    if not lists:
        return None
    shown = np.array(connection.execute(_SHOWN, bounds | {"every": every}).scalars().all(), np.int64)
    catalogue = connection.execute(_CATALOGUE).scalar_one()
    times = np.concatenate([shown, np.zeros(max(0, catalogue - len(shown)), np.int64)])
    return Exposure(day, lists, len(shown), catalogue, gini(times))


def gini(times: NDArray[np.int64]) -> float:
    """Of how often each movie was shown."""
    ordered, total = np.sort(times), int(times.sum())
    if not total:
        return 0.0
    ranks = np.arange(1, len(ordered) + 1)
    return float(2 * (ranks * ordered).sum() / (len(ordered) * total) - (len(ordered) + 1) / len(ordered))


def _id(moment: datetime) -> UUID:
    """The first id of a moment: it begins with the time, and the table's key with it."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


_DAY = """
    recommendation_id >= :first AND recommendation_id < :last AND served_at >= :from AND served_at < :to
"""
# The last digits of an id are chance.
_SOME = f"{_DAY} AND ('x' || right(recommendation_id::text, 5))::bit(20)::int % :every = 0"
_COUNT = text(f"SELECT count(*) FROM recommendations WHERE {_DAY}")
_LISTS = text(f"SELECT count(*) FROM recommendations WHERE {_SOME}".replace("::", r"\:\:"))
_SHOWN = text(
    f"""
    SELECT count(*) FROM recommendations CROSS JOIN LATERAL unnest(movie_ids) AS shown (movie_id)
    JOIN movies USING (movie_id) WHERE {_SOME} GROUP BY movie_id
""".replace("::", r"\:\:")
)
_CATALOGUE = text("SELECT count(*) FROM movies")
_KNOWN = text("SELECT day FROM exposure WHERE day = ANY(:days)")
_KEEP = text("""
    INSERT INTO exposure (day, lists, movies, catalogue, gini)
    VALUES (:day, :lists, :movies, :catalogue, :gini) ON CONFLICT (day) DO NOTHING
""")
