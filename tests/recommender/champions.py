"""A database with users who rated, and a champion made of what they rated, without a gate."""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, text

from recommender.folding import Histories
from recommender.history import History
from recommender.learning.audience import describe
from recommender.learning.cohorts import read_cohort
from recommender.model import Model, Parameters, fit_model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue

FILL = """
    SELECT register_client('c', 'C', 'c@example.org', 'hash');
    INSERT INTO genres (name) VALUES ('Drama'), ('Comedy'), ('Horror');
    INSERT INTO movies (title, title_key, year, ratings_count)
        SELECT 'M' || n, 'm' || n, 1950 + n, 100 - n FROM generate_series(1, 60) n;
    INSERT INTO movie_genres SELECT movie_id, 1 + (movie_id % 3) FROM movies;
    INSERT INTO users (client_id, external_id)
        SELECT client_id, 'u' || n FROM clients, generate_series(1, CAST(:users AS integer)) n;
    INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, rated_at)
        SELECT client_id, user_id, movie_id,
            CASE WHEN user_id % 10 = 7 THEN 2 WHEN user_id % 3 = movie_id % 3 THEN 4.5
                ELSE 1 + (user_id * 5 + movie_id) % 5 END,
            CASE WHEN movie_id % 7 > 0 THEN timestamptz '2025-06-01Z' + movie_id * interval '1 hour' END
        FROM users, movies WHERE (user_id * 7 + movie_id * 3 + user_id * movie_id / 5) % 4 = 0;
"""
_ALL = text("SELECT user_id, movie_id, rating FROM movies_users_rating ORDER BY 1, 2")
_USERS = text("SELECT user_id FROM users ORDER BY 1")
_REGISTERED = text("""
    INSERT INTO models (version, status, card, artifact_url)
    VALUES (:version, 'published', CAST(:card AS jsonb), 'here') ON CONFLICT DO NOTHING
""")
_CHAMPION = text("UPDATE serving SET champion = :version")


def fill(admin: Engine, users: int) -> None:
    with admin.begin() as connection:
        for statement in FILL.split(";")[:-1]:
            connection.execute(text(statement), {"users": users} if ":users" in statement else {})


def fitted(admin: Engine, rank: int) -> Model:
    """With its audience in the card."""
    with admin.begin() as connection:
        catalogue = read_catalogue(connection)
        users, movies, marks = zip(*connection.execute(_ALL).all(), strict=True)
        model = fit_model(catalogue, users, movies, marks, Parameters(rank=rank))
        ids = np.array(connection.execute(_USERS).scalars().all(), np.int64)
        histories = one_by_one(read_cohort(connection, ids).histories)
        return model.telling(audience=describe(histories, catalogue, model))


def one_by_one(histories: Histories) -> Iterator[History]:
    for first, end in zip(histories.starts, histories.starts[1:], strict=False):
        rows = slice(first, end)
        yield History(histories.movie_ids[rows], histories.ratings[rows], histories.times[rows])


def crown(connection: Connection, version: str, card: Mapping[str, Any] = MappingProxyType({})) -> None:
    connection.execute(_REGISTERED, {"version": version, "card": json.dumps(dict(card))})
    connection.execute(_CHAMPION, {"version": version})


def make_champion(admin: Engine, models: ModelStore, rank: int = 12) -> Model:
    model = fitted(admin, rank)
    models.save(model)
    with admin.begin() as connection:
        crown(connection, model.version, model.card)
    return model
