"""Made-up ratings of any number, and a day of them: who rates what is chance, the fewest titles get most."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import Catalogue, Movie
from recommender.products import Ints
from recommender.statistics import Rows

_SPARE = 1.15  # pairs drawn for each rating, as many are drawn twice
_DAY = 0.001  # of the rows are of the last day
_AGAIN, _NEW = 0.1, 0.1  # of those: ratings that change one, and of users who are new
_GENRES = ("Action", "Comedy", "Crime", "Drama", "Fantasy", "Horror", "Romance", "Thriller", "War")


@dataclass(frozen=True, slots=True)
class Table:
    """Ratings of users who stand one after the other."""

    users: Ints
    movie_ids: Ints
    ratings: NDArray[np.float32]

    @property
    def rows(self) -> Rows:
        return self.users, self.movie_ids, self.ratings

    def take(self, kept: NDArray[np.bool_]) -> "Table":
        return Table(self.users[kept], self.movie_ids[kept], self.ratings[kept])

    def of(self, users: Ints) -> "Table":
        chosen = np.zeros(int(self.users.max(initial=-1)) + 1, bool)
        chosen[users[users < len(chosen)]] = True
        return self.take(chosen[self.users])

    def write(self, file: Path) -> None:
        np.savez(file, users=self.users, movie_ids=self.movie_ids, ratings=self.ratings)

    @classmethod
    def read(cls, file: Path) -> "Table":
        with np.load(file) as tables:
            return cls(tables["users"], tables["movie_ids"], tables["ratings"])


@dataclass(frozen=True, slots=True)
class World:
    yesterday: Table
    today: Table
    touched: Ints  # users who did something today
    day_rows: int


def made(titles: int, ratings: int, per_user: int, seed: int = 0) -> World:
    """Title number titles * x squared for x between 0 and 1; stars from 0.5 to 5."""
    rng = np.random.default_rng(seed)
    people = max(ratings // per_user, 2)
    users = rng.integers(0, people, int(ratings * _SPARE))
    keys = np.unique(users * titles + (titles * rng.random(len(users)) ** 2).astype(np.int64))
    keys = np.sort(rng.permutation(keys)[:ratings])
    stars = (rng.integers(1, 11, len(keys)) / 2).astype(np.float32)
    return _split(Table(keys // titles, keys % titles, stars), rng)


def _split(today: Table, rng: np.random.Generator) -> World:
    """The last users are new; of the others' rows some came today, and some were other stars yesterday."""
    size = max(1, round(_DAY * len(today.users)))
    known = int(np.searchsorted(today.users, today.users[-round(_NEW * size) - 1]))
    drawn = rng.permutation(known)[: round((1 - _NEW) * size)]
    again, come = np.split(drawn, [round(_AGAIN * size)])
    there = np.ones(len(today.users), bool)
    there[known:] = there[come] = False
    stars = today.ratings.copy()
    stars[again] = 5.5 - stars[again]
    yesterday = Table(today.users, today.movie_ids, stars).take(there)
    touched = np.unique(np.concatenate([today.users[drawn], today.users[known:]]))
    return World(yesterday, today, touched, len(drawn) + len(today.users) - known)


def catalogue(titles: int) -> Catalogue:
    """Two genres and a year each."""
    return Catalogue(Movie(i, f"Film {i}", 1950 + i % 75, "movie", _genres(i)) for i in range(titles))


def _genres(place: int) -> tuple[str, str]:
    size = len(_GENRES)
    first, step = place % size, 1 + place // size % (size - 1)
    return _GENRES[first], _GENRES[(first + step) % size]
