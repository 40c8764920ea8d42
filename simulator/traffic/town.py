"""Who lives before the screens: the viewers of some clients, and the catalogue as the API lists it."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from simulator.history import movies_of
from simulator.hours import DAY_S, until_next
from simulator.households import Household, Population
from simulator.viewers import picked, rate, taste

HABIT = 80  # with so many ratings a year a viewer comes every other day
NAMED = 8  # titles that a viewer names at the first visit
_LIFE = 15  # a stream of chance


class Town:
    """`movies`: as `GET /movies` lists them. Viewers are numbered from 1; each is of one of the clients."""

    def __init__(self, movies: Iterable[Mapping[str, Any]], seed: int, clients: int) -> None:
        listed = list(movies)
        self.movies = movies_of(as_file(listed), "The catalogue", seed)
        self.ids: list[int] = self.movies.listing.movie_ids.tolist()
        self.rows = {movie_id: row for row, movie_id in enumerate(self.ids)}
        self.seed, self.clients = seed, clients
        self._people = Population(self.movies, seed)

    def resident(self, number: int) -> "Resident":
        return Resident(self, number, self._people.user(number))


def as_file(movies: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["movieId", "title", "genres"])
    for movie in movies:
        title = f"{movie['title']} ({movie['year']})" if movie.get("year") else movie["title"]
        writer.writerow([movie["movie_id"], title, "|".join(movie["genres"])])
    return text.getvalue().encode()


class Resident:
    """One viewer, with a stream of chance of her own."""

    def __init__(self, town: Town, number: int, home: Household) -> None:
        self.town, self.home, self.name = town, home, f"viewer-{town.seed}-{number}"
        self.client = number % town.clients
        self.rng = np.random.default_rng([town.seed, number, _LIFE])
        activity = home.viewers[0].activity
        self._a_day = 2 * activity / (activity + HABIT)
        self.seen: set[int] = set()
        self.named = False  # whether the platform has heard of her

    def waits(self, second: float) -> float:
        """Simulated seconds until she comes again."""
        return until_next(second % DAY_S, self._a_day, self.rng)

    def told(self, moment: int) -> list[dict[str, Any]]:
        """What she names at the first visit."""
        viewer, movies = self.home.who(moment), self.town.movies
        rows = picked(viewer, movies, taste(viewer, movies), 9_999, self.rng)[:NAMED]
        stars = rate(viewer, movies, rows, self.rng)
        self.seen.update(rows.tolist())
        return [
            {"movie_id": self.town.ids[row], "rating": mark}
            for row, mark in zip(rows.tolist(), stars.tolist(), strict=True)
        ]
