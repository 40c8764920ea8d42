"""The catalogue that Marquee brings along, so that an installation answers before any data came."""

from collections import Counter
from pathlib import Path

from sqlalchemy import Engine

import recommender
from recommender.database import transaction
from recommender.imports.movie_load import load_movies
from recommender.imports.movie_rows import read_movies
from recommender.imports.movielens import recognise

SOURCE = "starter"
FOLDER = Path(recommender.__file__).parent / "starter"


def load_starter(engine: Engine) -> Counter[str]:
    """How many movies are known, updated, matched with a movie of another source, or new."""
    rows = read_movies(recognise(FOLDER).movies, lambda _: None)
    with transaction(engine) as connection:
        return load_movies(connection, SOURCE, rows.movies)
