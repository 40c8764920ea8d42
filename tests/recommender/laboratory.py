"""The small seeded world in Postgres, snapshots of it, and models of known quality to judge and publish."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from recommender import artifact
from recommender.catalogue import Catalogue, Movie
from recommender.daily.parquet import write_table
from recommender.evaluation import Ratings
from recommender.files import Store
from recommender.local.urls import PerRole
from recommender.manifests import Making
from recommender.model import Model, Parameters, fit_model
from recommender.model_store import ModelStore
from recommender.registry import register
from recommender.titles import title_key

DAY = date(2026, 1, 31)
HELD_OUT = 120  # users below this number
NEWEST = 260  # the first of the users of the newest day
SHARE = 0.3
TODAY = 3  # of each user's last ratings

_MOVIE = text("""
    INSERT INTO movies (movie_id, title, title_key, year, kind) OVERRIDING SYSTEM VALUE
    VALUES (:movie_id, :title, :key, :year, :kind)
""")
_GENRE = text("INSERT INTO genres (name) VALUES (:name) ON CONFLICT DO NOTHING")
_OF_GENRE = text("INSERT INTO movie_genres SELECT :movie_id, genre_id FROM genres WHERE name = :name")


NOTHING: Mapping[int, Collection[int]] = MappingProxyType({})
_TRAINED: dict[tuple[Any, ...], Model] = {}  # the small world is always the same


@dataclass
class Laboratory:
    engine: Engine  # of the pipeline
    data: Store
    models: ModelStore
    catalogue: Catalogue
    ratings: Ratings
    snapshots: dict[int, str] = field(default_factory=dict)  # by held-out users
    shown: dict[int, set[int]] = field(default_factory=dict)  # movies by user

    @classmethod
    def at(
        cls,
        folder: Path,
        engines: PerRole[Engine],
        movies: list[Movie],
        catalogue: Catalogue,
        ratings: Ratings,
    ) -> Self:
        fill(engines.admin, movies)
        models = ModelStore.at(folder / "models", folder / "cache")
        return cls(engines.pipeline, Store.at(folder / "data"), models, catalogue, ratings)

    def trained(self, users: int | None = None, **parameters: Any) -> Model:
        """On the first so many users who are not held out, without anybody's newest day."""
        how = (users, *sorted(parameters.items()))
        if how not in _TRAINED:
            _TRAINED[how] = self._fitted(users, parameters)
        return _TRAINED[how]

    def _fitted(self, users: int | None, parameters: dict[str, Any]) -> Model:
        rows = (self.ratings.users >= HELD_OUT) & ~today(self.ratings)
        if users is not None:
            rows &= self.ratings.users < HELD_OUT + users
        known = self.ratings.take(np.flatnonzero(rows))
        return fit_model(
            self.catalogue, known.users, known.movie_ids, known.ratings, Parameters(**parameters)
        )

    def misled(self) -> Model:
        """As the trained one, with its movies mixed up."""
        good = self.trained()
        mixed = np.random.default_rng(0).permutation(len(good.movie_ids))
        return _with(good, right=np.array(good.right[mixed]))

    def add(
        self, model: Model, day: date = DAY, held_out: int = HELD_OUT, share: float | None = SHARE
    ) -> str:
        """Kept and registered as a candidate of this day."""
        data = {"digest": self.snapshot(held_out), "day": str(day), "share": share}
        model = _with(model, data={key: value for key, value in data.items() if value is not None})
        self.models.save(model)
        with self.engine.begin() as connection:
            url = self.models.url(model.version)
            register(connection, model.version, json.dumps(model.card), url, day)
        return model.version

    def snapshot(self, held_out: int = HELD_OUT) -> str:
        if held_out not in self.snapshots:
            write_snapshot(self.data, f"{held_out:016x}", self.catalogue, self.ratings, held_out, self.shown)
            self.snapshots[held_out] = f"{held_out:016x}"
        return self.snapshots[held_out]

    def one(self, query: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(query)).scalar_one()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def damage(self, version: str) -> None:
        Path(self.models.store.url, version, "left.npy").write_bytes(b"damage")


def _with(model: Model, data: dict[str, Any] | None = None, **tables: NDArray[Any]) -> Model:
    kept = {name: getattr(model, name) for name in artifact.TYPES} | tables
    return Model(kept, *artifact.sealed(kept, model.card | {"data": data or {}}))


def overflowing(model: Model) -> Model:
    """Every number in its tables is finite; what they multiply to is not."""
    huge = np.full_like(model.left, 3e38)
    return _with(model, left=huge)


def today(ratings: Ratings) -> NDArray[np.bool_]:
    """Each user's last ratings; in the small world they stand in time order."""
    _, firsts, sizes = np.unique(ratings.users, return_index=True, return_counts=True)
    places = np.arange(len(ratings)) - np.repeat(firsts, sizes)
    return np.asarray(places >= np.repeat(sizes, sizes) - TODAY)


def write_snapshot(
    data: Store,
    digest: str,
    catalogue: Catalogue,
    ratings: Ratings,
    held_out: int = HELD_OUT,
    shown: Mapping[int, Collection[int]] = NOTHING,
) -> None:
    """As training leaves it, without the ratings that were learnt from."""
    held = ratings.users < held_out
    movie_ids, counts = np.unique(ratings.movie_ids[~held], return_counts=True)
    known = dict(zip(movie_ids.tolist(), counts.tolist(), strict=True))
    newest = ratings.take(np.flatnonzero(ratings.users >= NEWEST))
    making = Making(data, f"training/{digest}")
    tables = {
        "gate.parquet": columns(ratings.take(np.flatnonzero(held))),
        "newest.parquet": {**columns(newest), "on_day": pa.array(today(newest))},
        "catalogue.parquet": {
            "movie_id": pa.array(catalogue.movie_ids),
            "ratings": pa.array([known.get(movie_id, 0) for movie_id in catalogue.movie_ids.tolist()]),
        },
    }
    if shown:
        pairs = [(user, movie_id) for user in sorted(shown) for movie_id in sorted(shown[user])]
        columns_of = zip(("user_id", "movie_id"), zip(*pairs, strict=True), strict=True)
        tables["shown.parquet"] = {name: pa.array(ids) for name, ids in columns_of}
    for name, table in tables.items():
        with making.file(name) as stream:
            write_table(stream.as_file(), pa.table(table))
    making.seal({"digest": digest})


def columns(ratings: Ratings) -> "dict[str, pa.Array[Any]]":
    return {
        "user_id": pa.array(ratings.users),
        "movie_id": pa.array(ratings.movie_ids),
        "rating": pa.array(ratings.ratings),
        "rated_at": pa.array(ratings.times),
    }


def fill(admin: Engine, movies: list[Movie]) -> None:
    with admin.begin() as connection:
        names = sorted({genre for movie in movies for genre in movie.genres})
        connection.execute(_GENRE, [{"name": name} for name in names])
        known = [
            {
                "movie_id": m.movie_id,
                "title": m.title,
                "key": title_key(m.title),
                "year": m.year,
                "kind": m.kind,
            }
            for m in movies
        ]
        connection.execute(_MOVIE, known)
        pairs = [{"movie_id": m.movie_id, "name": genre} for m in movies for genre in m.genres]
        connection.execute(_OF_GENRE, pairs)
