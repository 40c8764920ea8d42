"""From the ratings in Postgres to a champion: read, fit, keep, publish, and fold the users again."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from recommender.bulk import copy_rows
from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.errors import BadArtifact, BadInput
from recommender.evaluation import Ratings
from recommender.history import History
from recommender.model import Model, Parameters, fit_model
from recommender.movies import read_catalogue
from recommender.registry import publish, read_card, register, serving_state
from recommender.users import written

Progress = Callable[[str], None]
_READ = """
    COPY (SELECT user_id, movie_id, rating, extract(epoch FROM rated_at)::float8
          FROM movies_users_rating ORDER BY user_id, rated_at NULLS FIRST, movie_id) TO STDOUT (FORMAT csv)
"""
_FOLD = 20_000  # users folded between two writes


def read_ratings(connection: Connection) -> tuple[Ratings, str]:
    """Every rating, by user and then in time order, and a digest by which the rows are known again."""
    with tempfile.TemporaryFile() as file:
        connection.connection.cursor().copy_expert(_READ, file)
        digest = _digest(file)
        file.seek(0)
        table = pd.read_csv(file, header=None, dtype={0: np.int64, 1: np.int64, 2: np.float32, 3: np.float64})
    columns = [table[i].to_numpy() for i in range(4)]
    return Ratings(columns[0], columns[1], columns[2], columns[3]), digest


def _digest(file: Any) -> str:
    file.seek(0)
    if not file.read(1):
        raise BadInput("There are no ratings to learn from: import some, or let clients send them.")
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def train(engine: Engine, models: Path, progress: Progress) -> tuple[str, bool]:
    """Version of the champion, and whether it is new."""
    with transaction(engine) as connection:
        catalogue = read_catalogue(connection)
        ratings, digest = read_ratings(connection)
        state = serving_state(connection)
        champion = read_card(connection, state.champion) if state.champion else {}
        read_at = connection.execute(text("SELECT now()")).scalar_one()
    data = {"ratings_sha256": digest, "catalogue_sha256": _catalogue_digest(catalogue)}
    progress(f"{len(ratings):,} ratings of {len(np.unique(ratings.users)):,} users read")
    if state.champion and champion["data"] == data and _is_as_we_would_fit_it(models / state.champion):
        return state.champion, False
    model = fit_model(
        catalogue, ratings.users, ratings.movie_ids, ratings.ratings, data=data, progress=progress
    )
    model.save(models / model.version)
    _publish(engine, model, models)
    progress(f"{refold(engine, model, ratings, read_at):,} users folded into the new space")
    return model.version, True


def _is_as_we_would_fit_it(folder: Path) -> bool:
    try:
        return Model.load(folder).parameters == Parameters()
    except BadArtifact:
        return False


def _catalogue_digest(catalogue: Catalogue) -> str:
    known = [catalogue.movie(int(i)) for i in catalogue.movie_ids]
    rows = [[m.movie_id, m.year, sorted(m.genres)] for m in known if m]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _publish(engine: Engine, model: Model, models: Path) -> None:
    with transaction(engine) as connection:
        register(connection, model.version, json.dumps(model.card), "{}", str(models / model.version))
        _store_vectors(connection, model)
        publish(connection, model.version)


_MOVIE_VECTORS = text("""
    UPDATE movies m SET vector = s.vector, space = :version FROM fresh_vectors s WHERE m.movie_id = s.id
""")
# A user who changed since the ratings were read is folded again when next met.
_USER_VECTORS = text("""
    UPDATE users u SET taste = s.vector, space = :version FROM fresh_vectors s
    WHERE u.user_id = s.id AND u.updated_at <= :read_at
""")


def _store_vectors(connection: Connection, model: Model) -> None:
    _stage(connection, zip(model.movie_ids.tolist(), model.right, strict=True))
    connection.execute(_MOVIE_VECTORS, {"version": model.version})


def _stage(connection: Connection, vectors: Iterator[tuple[int, NDArray[np.float32]]]) -> None:
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.fresh_vectors"))
    connection.execute(text("CREATE TEMPORARY TABLE fresh_vectors (id bigint, vector vector) ON COMMIT DROP"))
    rows = ((key, written(vector)) for key, vector in vectors)
    copy_rows(connection, "fresh_vectors", "id, vector", rows)


def refold(engine: Engine, model: Model, ratings: Ratings, read_at: datetime) -> int:
    """Gives every user with a history a taste vector in the space of this model."""
    ends = np.flatnonzero(np.diff(ratings.users, append=-1)) + 1
    for first in range(0, len(ends), _FOLD):
        with transaction(engine) as connection:
            wishes = _preferences(connection, ratings.users[ends[first : first + _FOLD] - 1])
            _stage(connection, _tastes(model, ratings, ends, first, wishes))
            connection.execute(_USER_VECTORS, {"version": model.version, "read_at": read_at})
    return len(ends)


def _preferences(connection: Connection, users: NDArray[np.int64]) -> dict[int, Any]:
    stated = text("SELECT user_id, preferences FROM users WHERE user_id = ANY(:ids) AND preferences <> '{}'")
    return {row.user_id: row.preferences for row in connection.execute(stated, {"ids": users.tolist()})}


def _tastes(
    model: Model, ratings: Ratings, ends: NDArray[np.intp], first: int, wishes: dict[int, Any]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for place in range(first, min(first + _FOLD, len(ends))):
        rows = slice(ends[place - 1] if place else 0, ends[place])
        user = int(ratings.users[rows.start])
        history = History.of(ratings.movie_ids[rows], ratings.ratings[rows], ratings.times[rows])
        yield user, model.taste(history, wishes.get(user, {})).vector
