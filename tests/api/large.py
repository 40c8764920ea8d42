"""A world of any size for the API: a synthetic catalogue and a model of random factors, without training.

What a request costs depends on how many titles there are and on the rank, not on who would like what.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender import artifact
from recommender.catalogue import Catalogue, Movie
from recommender.database import open_engine
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from recommender.model import Model, Parameters, rank_for
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.registry import make_champion, register
from recommender.schema import migrate
from recommender.titles import GENRES, title_key
from tests.api.conftest import database_of

YEARS = range(1920, 2026)
_MOVIES = text("""
    INSERT INTO movies (title, title_key, year, ratings_count)
    SELECT m.title, m.key, m.year, m.count
    FROM unnest(CAST(:titles AS text[]), CAST(:keys AS text[]), CAST(:years AS smallint[]),
                CAST(:counts AS bigint[])) AS m (title, key, year, count)
""")
_GENRES = text("INSERT INTO genres (name) SELECT unnest(CAST(:names AS text[])) ON CONFLICT DO NOTHING")
_OF_GENRES = text("""
    INSERT INTO movie_genres (movie_id, genre_id)
    SELECT m.movie_id, g.genre_id FROM movies m
    JOIN unnest(CAST(:titles AS text[]), CAST(:names AS text[])) AS of (title, name) USING (title)
    JOIN genres g USING (name)
""")


@contextmanager
def large_database(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[PerRole[str]]:
    """A server, as one machine has it but for these settings, and a migrated database in it."""
    folder.mkdir()
    server = Server(folder, "secret", folder / "log", settings)
    server.start()
    try:
        urls = database_of(server, "template1", "marquee")
        os.environ["DATABASE_URL"] = urls.owner  # where a verb finds it
        migrate()
        yield urls
    finally:
        server.stop()


def fill_large(urls: PerRole[str], models: Path, titles: int, seed: int = 7) -> int:
    """Titles and a champion for them; how many bytes its artifact has."""
    rng = np.random.default_rng(seed)
    engines = urls.map(open_engine)
    with engines.pipeline.begin() as connection:
        _add_movies(connection, invented(titles, rng), popularity(titles, rng))
        connection.execute(text("UPDATE serving SET catalogue_revision = catalogue_revision + 1"))
        catalogue = read_catalogue(connection)
    model, store = invented_model(catalogue, rng), ModelStore.at(models, models)
    store.save(model)
    with engines.pipeline.begin() as connection:
        url = store.url(model.version)
        register(connection, model.version, json.dumps(model.card), url)
        make_champion(connection, model.version, url, replaced=None, kind="forced", reason="it is measured")
    with engines.owner.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    engines.map(lambda engine: engine.dispose())
    return sum(path.stat().st_size for path in (models / model.version).iterdir())


def invented(titles: int, rng: np.random.Generator) -> list[Movie]:
    genres = [name for name in GENRES if not name.startswith("(")]
    chosen = [tuple(rng.choice(genres, size=rng.integers(1, 4), replace=False)) for _ in range(titles)]
    years = rng.choice(YEARS, size=titles).tolist()
    return [
        Movie(number, f"The {number:,}th Night of {genre[0]}", year, "movie", genre)
        for number, (genre, year) in enumerate(zip(chosen, years, strict=True), 1)
    ]


def popularity(titles: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Ratings of each title: a few have most of them."""
    return rng.permutation((100 * titles / np.arange(1, titles + 1)).astype(np.int64))


def invented_model(catalogue: Catalogue, rng: np.random.Generator) -> Model:
    """Of the shape that training gives a catalogue of this size; directions grow shorter as there."""
    titles, rank = len(catalogue), rank_for(min(len(catalogue), Parameters().dense_limit))
    lengths = np.arange(1, rank + 1, dtype=np.float32) ** -0.5
    tables: dict[str, NDArray[Any]] = {
        "movie_ids": catalogue.movie_ids,
        "left": rng.standard_normal((titles, rank), np.float32) / rank,
        "right": rng.standard_normal((titles, rank), np.float32) * lengths,
        "prior": (catalogue.popularity / catalogue.popularity.max()).astype(np.float32),
        "genre_factors": rng.standard_normal((len(catalogue.genres), rank), np.float32) / rank,
    }
    card = {
        "parameters": asdict(Parameters()),
        "genres": list(catalogue.genres),
        "rank": rank,
        "movies": titles,
        "data": {"invented": True},
    }
    return Model(tables, *artifact.sealed(tables, card))


def _add_movies(connection: Connection, movies: list[Movie], counts: NDArray[np.int64]) -> None:
    told = {
        "titles": [movie.title for movie in movies],
        "keys": [title_key(movie.title) for movie in movies],
        "years": [movie.year for movie in movies],
        "counts": counts.tolist(),
    }
    connection.execute(_MOVIES, told)
    names = [(movie.title, genre) for movie in movies for genre in movie.genres]
    connection.execute(_GENRES, {"names": sorted({genre for _, genre in names})})
    connection.execute(_OF_GENRES, {"titles": [t for t, _ in names], "names": [g for _, g in names]})
