"""From the ratings in Postgres to a champion: read, fit, keep, publish, and fold the users again."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from recommender.bulk import copy_rows
from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.errors import BadArtifact, BadInput, Failed
from recommender.evaluation import Ratings
from recommender.history import History
from recommender.model import Model, Parameters, fit_model
from recommender.movies import read_catalogue
from recommender.rating_load import count_ratings
from recommender.registry import ServingState, publish, read_card, register, serving_state
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the database: what there is to learn, and which users are folded already."""

    state: ServingState
    catalogue: Catalogue
    ratings: Ratings
    data: Mapping[str, str]  # digests, by which the same data are known again
    users: NDArray[np.int64]  # ascending
    changed: NDArray[np.int64]  # when each was, in microseconds
    spaces: NDArray[np.object_]


def train(engine: Engine, models: Path, progress: Progress) -> tuple[str, bool]:
    """Version of the champion, and whether it is new. One training at a time."""
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('marquee.train'))")):
            raise Failed("Another training runs. Wait for it, or end it first.")
        try:
            return _train(engine, models, progress)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtext('marquee.train'))"))


def _train(engine: Engine, models: Path, progress: Progress) -> tuple[str, bool]:
    with transaction(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
        now = _snapshot(connection)
        champion = read_card(connection, now.state.champion) if now.state.champion else {}
    progress(f"{len(now.ratings):,} ratings of {len(np.unique(now.ratings.users)):,} users read")
    known = champion.get("data") == now.data
    model = _as_we_would_fit_it(models / champion["version"]) if known else None
    if new := model is None:
        rows = now.ratings.users, now.ratings.movie_ids, now.ratings.ratings
        model = fit_model(now.catalogue, *rows, data=now.data, progress=progress)
        model.save(models / model.version)
        _publish(engine, model, models)
    progress(f"{refold(engine, model, now):,} users folded into the space of {model.version}")
    return model.version, new


def _snapshot(connection: Connection) -> Snapshot:
    catalogue = read_catalogue(connection)
    ratings, digest = read_ratings(connection)
    data = {"ratings_sha256": digest, "catalogue_sha256": _catalogue_digest(catalogue)}
    columns = list(zip(*connection.execute(_USERS).all(), strict=True)) or [(), (), ()]
    users, changed = (np.array(column, np.int64) for column in columns[:2])
    spaces = np.array(columns[2], object)
    return Snapshot(serving_state(connection), catalogue, ratings, data, users, changed, spaces)


def _as_we_would_fit_it(folder: Path) -> Model | None:
    try:
        model = Model.load(folder)
    except BadArtifact:
        return None
    return model if model.parameters == Parameters() else None


def _catalogue_digest(catalogue: Catalogue) -> str:
    known = [catalogue.movie(int(i)) for i in catalogue.movie_ids]
    rows = [[m.movie_id, m.year, sorted(m.genres)] for m in known if m]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _publish(engine: Engine, model: Model, models: Path) -> None:
    with transaction(engine) as connection:
        count_ratings(connection)  # locks the catalogue
        register(connection, model.version, json.dumps(model.card), str(models / model.version))
        _store_vectors(connection, model)
        publish(connection, model.version)


_MOVIE_VECTORS = text("""
    UPDATE movies m SET vector = s.vector, space = :version FROM fresh_vectors s WHERE m.movie_id = s.id
""")
_CHANGED = "(extract(epoch FROM updated_at) * 1000000)::bigint"
_USERS = text(f"SELECT user_id, {_CHANGED}, space FROM users ORDER BY user_id")
# Who changed since the snapshot, or is locked, is folded again when next met.
_USER_VECTORS = text(f"""
    WITH fresh AS (
        SELECT u.user_id, s.vector FROM fresh_vectors s
        JOIN users u ON u.user_id = s.id AND {_CHANGED} = s.changed
        ORDER BY u.user_id FOR NO KEY UPDATE OF u SKIP LOCKED
    )
    UPDATE users u SET taste = fresh.vector, space = :version FROM fresh WHERE u.user_id = fresh.user_id
""")


def _store_vectors(connection: Connection, model: Model) -> None:
    _stage(
        connection, ((int(key), 0, vector) for key, vector in zip(model.movie_ids, model.right, strict=True))
    )
    connection.execute(_MOVIE_VECTORS, {"version": model.version})


def _stage(connection: Connection, vectors: Iterable[tuple[int, int, NDArray[np.float32]]]) -> None:
    table = "CREATE TEMPORARY TABLE fresh_vectors (id bigint, changed bigint, vector vector) ON COMMIT DROP"
    connection.execute(text(table))
    rows = ((key, changed, written(vector)) for key, changed, vector in vectors)
    copy_rows(connection, "fresh_vectors", "id, changed, vector", rows)


def refold(engine: Engine, model: Model, now: Snapshot) -> int:
    """Gives every user with a history a taste vector in the model's space; how many did not have it."""
    ends = np.flatnonzero(np.diff(now.ratings.users, append=-1)) + 1
    places = np.searchsorted(now.users, now.ratings.users[ends - 1])
    stale = np.flatnonzero(now.spaces[places] != model.version)
    folded = 0
    for first in range(0, len(stale), _FOLD):
        some = stale[first : first + _FOLD]
        with transaction(engine) as connection:
            wishes = _preferences(connection, now.users[places[some]])
            starts = np.where(some, ends[some - 1], 0)
            spans = zip(places[some], starts, ends[some], strict=True)
            _stage(connection, (_folded(model, now, *span, wishes) for span in spans))
            folded += connection.execute(_USER_VECTORS, {"version": model.version}).rowcount
    return folded


def _preferences(connection: Connection, users: NDArray[np.int64]) -> dict[int, Any]:
    stated = text("SELECT user_id, preferences FROM users WHERE user_id = ANY(:ids) AND preferences <> '{}'")
    return {row.user_id: row.preferences for row in connection.execute(stated, {"ids": users.tolist()})}


def _folded(
    model: Model, now: Snapshot, place: int, start: int, end: int, wishes: Mapping[int, Any]
) -> tuple[int, int, NDArray[np.float32]]:
    user, all_ratings = int(now.users[place]), now.ratings
    rows = slice(start, end)
    history = History.of(all_ratings.movie_ids[rows], all_ratings.ratings[rows], all_ratings.times[rows])
    return user, int(now.changed[place]), model.taste(history, wishes.get(user, {})).vector
