"""A month of ratings in Postgres, to learn from and to judge by: 60 users, 30 movies, every day some."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, text

from recommender.files import Store
from recommender.learning.snapshots import Snapshot, open_snapshot
from recommender.learning.training import train
from recommender.local.urls import PerRole
from recommender.model_store import ModelStore

LAST = date(2026, 1, 31)
_FILL = """
    SELECT register_client('c', 'C', 'c@example.org', 'hash');
    INSERT INTO movies (title, title_key, year, kind)
        SELECT 'M' || n, 'm' || n, 1960 + n, CASE n % 5 WHEN 0 THEN 'show' ELSE 'movie' END
        FROM generate_series(1, 30) n;
    INSERT INTO genres (name) VALUES ('Drama'), ('Horror') ON CONFLICT DO NOTHING;
    INSERT INTO movie_genres SELECT movie_id, genre_id FROM movies, genres
        WHERE name = CASE movie_id % 2 WHEN 0 THEN 'Drama' ELSE 'Horror' END;
    INSERT INTO users (client_id) SELECT client_id FROM clients, generate_series(1, 60);
    INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, rated_at, received_at)
        SELECT client_id, user_id, movie_id, 1 + (user_id + movie_id) % 5 - (movie_id % 3 = 0)::int / 2.0,
            CASE user_id % 10 WHEN 0 THEN NULL ELSE moment END, moment
        FROM users, movies,
            LATERAL (SELECT timestamptz '2026-01-01 12:00Z'
                + interval '1 day' * ((user_id * 7 + movie_id * 11) % 31) AS moment) m
        WHERE (user_id * 7 + movie_id * 3) % 4 < 2;
"""


@dataclass(frozen=True)
class January:
    admin: Engine
    engine: Engine  # of the pipeline
    data: Store
    models: ModelStore

    @classmethod
    def at(cls, folder: Path, engines: PerRole[Engine]) -> Self:
        models = ModelStore.at(folder / "models", folder / "cache")
        january = cls(engines.admin, engines.pipeline, Store.at(folder / "data"), models)
        for statement in _FILL.split(";")[:-1]:
            january.run(statement)
        return january

    def run(self, statement: str, **values: object) -> None:
        with self.admin.begin() as connection:
            connection.execute(text(statement), values)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.admin.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def train(self, **how: Any) -> str:
        return train(self.engine, self.data, self.models, LAST, **how)

    def trained_on(self, version: str) -> Snapshot:
        return open_snapshot(self.data, self.models.load(version).card["data"]["digest"])
