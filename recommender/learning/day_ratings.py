"""What was rated on a day, counted: from its processed files, or from Postgres where there are none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.catalogue import Catalogue
from recommender.daily.parquet import ratings_part, read_batches, users_part
from recommender.days import PROCESSED, begins, ends
from recommender.files import Store
from recommender.history import LIKED
from recommender.learning.audience import STARS, Floats, liked_genres, star_counts
from recommender.manifests import read_manifest
from recommender.unloading import read_out

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DayRatings:
    genres: Floats  # how often each of the catalogue's was liked
    likes: int
    stars: Floats  # as in audience
    user_ids: Ints  # ascending
    weights: Floats  # how much each of them rated


def day_in_files(connection: Connection, data: Store, day: date, catalogue: Catalogue) -> DayRatings | None:
    """None when the day was not processed. Users whom Postgres does not know are left out."""
    folder = f"{PROCESSED}/{day}"
    manifest = read_manifest(data, folder)
    if manifest is None:
        return None
    sources = connection.execute(_MOVIES, {"source": manifest.about["source"]})
    movie_ids: dict[str, int] = {row.source_id: row.movie_id for row in sources}
    genres, likes, stars, users = np.zeros(len(catalogue.genres)), 0, np.zeros(len(STARS)), [_NOBODY]
    for client, told in manifest.about["clients"].items():
        for part in range(told["parts"]):
            for ids, ratings in _ratings(data, f"{folder}/{ratings_part(client, part)}", movie_ids):
                genres += liked_genres(catalogue, ids, ratings)
                likes += int((ratings >= LIKED).sum())
                stars += star_counts(ratings)
            users += _users(connection, data, f"{folder}/{users_part(client, part)}", client)
    user_ids, weights = (np.concatenate(column) for column in zip(*users, strict=True))
    order = np.argsort(user_ids)
    return DayRatings(genres, likes, stars, user_ids[order], weights[order])


def _ratings(
    data: Store, path: str, movie_ids: Mapping[str, int]
) -> Iterator[tuple[Ints, NDArray[np.float32]]]:
    """The ids of movies, -1 for an unknown one, and the ratings."""
    for batch in read_batches(data, path, ["source_id", "rating"]):
        coded: Any = batch.column("source_id")
        known = [movie_ids.get(source_id, -1) for source_id in coded.dictionary.to_pylist()]
        yield np.array(known, np.int64)[coded.indices.to_numpy()], batch.column("rating").to_numpy()


def _users(connection: Connection, data: Store, path: str, client: str) -> Iterator[tuple[Ints, Floats]]:
    for batch in read_batches(data, path, ["external_id", "ratings"]):
        names, ratings = batch.column("external_id").to_pylist(), batch.column("ratings").to_pylist()
        rated = dict(zip(names, ratings, strict=True))
        found = connection.execute(_FOUND, {"client": client, "names": names}).all()
        ids = np.array([row.user_id for row in found], np.int64)
        yield ids, np.array([rated[row.external_id] for row in found], np.float64)


def day_in_database(connection: Connection, day: date, catalogue: Catalogue) -> DayRatings:
    within = {"first": begins(day), "end": ends(day)}
    kinds = {"movie": "i8", "rating": "f4", "times": "i8"}
    rated = read_out(connection, _RATED, within, kinds)
    movie_ids, ratings = (np.repeat(rated[name], rated["times"]) for name in ("movie", "rating"))
    users = read_out(connection, _RATING_USERS, within, {"user": "i8", "times": "i8"})
    return DayRatings(
        liked_genres(catalogue, movie_ids, ratings),
        int((ratings >= LIKED).sum()),
        star_counts(ratings),
        users["user"],
        users["times"].astype(np.float64),
    )


_NOBODY = np.zeros(0, np.int64), np.zeros(0)
_MOVIES = text("SELECT source_id, movie_id FROM movie_sources WHERE source = :source")
_FOUND = text("""
    SELECT user_id, external_id FROM users JOIN clients USING (client_id)
    WHERE username = :client AND external_id = ANY(:names)
""")
_OF_THE_DAY = """
    FROM movies_users_rating
    WHERE coalesce(rated_at, received_at) >= :first AND coalesce(rated_at, received_at) < :end
"""
_RATED = f"SELECT movie_id, rating, count(*) {_OF_THE_DAY} GROUP BY 1, 2"
_RATING_USERS = f"SELECT user_id, count(*) {_OF_THE_DAY} GROUP BY 1 ORDER BY 1"
