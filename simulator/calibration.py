"""Simulated viewers beside the real ones of a MovieLens folder: distances, and the figures of a picture."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np

from simulator.errors import SimulatorError
from simulator.history import life
from simulator.movies import Floats, Movies, Rows

STARS = np.arange(1, 11) / 2
LIKED = 4.0
BANDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0)  # shares of the rated movies, the most rated first
_COLUMNS = ("userid", "movieid", "rating")


@dataclass(frozen=True, slots=True)
class Sample:
    """Who rated what, and how; users and movies are numbers from 0."""

    users: Rows
    movies: Rows
    stars: Floats

    @classmethod
    def of(cls, users: Rows, movies: Rows, stars: Floats) -> Self:
        user, movie = (np.unique(ids, return_inverse=True)[1] for ids in (users, movies))
        return cls(user, movie, stars)

    @property
    def activity(self) -> Rows:
        return np.sort(np.bincount(self.users))[::-1]

    @property
    def popularity(self) -> Rows:
        return np.sort(np.bincount(self.movies))[::-1]

    @property
    def shares(self) -> Floats:
        return np.array([(self.stars == value).mean() for value in STARS])

    @property
    def means(self) -> Floats:
        return np.asarray(np.bincount(self.users, self.stars) / np.bincount(self.users))

    def by_popularity(self) -> Iterator[Floats]:
        """The stars of each band of movies."""
        count = np.bincount(self.movies)
        place = np.argsort(np.argsort(-count, kind="stable"))[self.movies] / len(count)
        for low, high in zip((0.0, *BANDS), BANDS, strict=False):
            yield self.stars[(low <= place) & (place < high)]

    def figures(self) -> dict[str, float]:
        within = self.stars - self.means[self.users]
        head, *_, tail = (float((stars >= LIKED).mean()) for stars in self.by_popularity())
        return {
            "viewers": len(self.activity),
            "ratings": len(self.stars),
            "movies rated": len(self.popularity),
            "mean stars": float(self.stars.mean()),
            "spread of viewers' means": float(self.means.std()),
            "spread within a viewer": float(within.std()),
            "half of the viewers rate at most": float(np.median(self.activity)),
            "one in a hundred rates more than": float(np.quantile(self.activity, 0.99)),
            "longest history": float(self.activity[0]),
            "Gini of popularity": gini(self.popularity),
            "share of viewers who know the most rated": float(self.popularity[0] / len(self.activity)),
            "liked, of ratings of the top 0.5 %": head,
            "liked, of ratings of the last 60 %": tail,
        }


def read_sample(folder: Path) -> Sample:
    """Of ratings.csv; the names of the columns may be written in any case."""
    path = folder / "ratings.csv"
    try:
        with path.open(encoding="utf-8") as file:
            names = [name.strip().lower() for name in file.readline().split(",")]
            columns = [names.index(name) for name in _COLUMNS]
            users, movies, stars = np.loadtxt(file, delimiter=",", usecols=columns, unpack=True, ndmin=2)
    except OSError as error:
        raise SimulatorError(f"{path}: {error.strerror}.") from error
    except ValueError as error:
        raise SimulatorError(f"{path} is no MovieLens file of ratings (userId,movieId,rating).") from error
    return Sample.of(users.astype(np.int64), movies.astype(np.int64), stars)


def simulated(movies: Movies, viewers: int, seed: int, until: date) -> Sample:
    lives = [life(movies, user_id, seed, until) for user_id in range(1, viewers + 1)]
    return Sample.of(
        np.repeat(np.arange(viewers), [len(lived) for lived in lives]),
        np.concatenate([lived.movie_ids for lived in lives]),
        np.concatenate([lived.stars for lived in lives]),
    )


def distances(real: Sample, ours: Sample) -> Mapping[str, float]:
    """0 is alike, 1 has nothing in common."""
    return {
        "stars (total variation)": float(np.abs(real.shares - ours.shares).sum() / 2),
        "activity (Kolmogorov-Smirnov)": kolmogorov(real.activity, ours.activity),
        "popularity (Kolmogorov-Smirnov)": kolmogorov(real.popularity, ours.popularity),
        "viewers' means (Kolmogorov-Smirnov)": kolmogorov(real.means, ours.means),
    }


def kolmogorov(one: Floats | Rows, other: Floats | Rows) -> float:
    """The largest distance of the two distributions; no change of the scale, as to logarithms, moves it."""
    values = np.union1d(one, other)
    steps = [np.searchsorted(np.sort(each), values, side="right") / len(each) for each in (one, other)]
    return float(np.abs(steps[0] - steps[1]).max())


def gini(counts: Rows) -> float:
    rising, count = np.sort(counts), len(counts)
    return float((2 * np.arange(1, count + 1) - count - 1) @ rising / (count * rising.sum()))
