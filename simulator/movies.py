"""Movies with hidden traits: how good, how famous, and what they taste of beyond their genre."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import SimulatorError

DIMENSIONS = 5
NO_GENRES = "(no genres listed)"
YEAR = re.compile(r"\((\d{4})(?:\s*[-\N{EN DASH}]\s*(?:\d{4})?)?\)\s*$")

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a movies file says, row by row."""

    movie_ids: Rows
    years: Floats  # NaN where the title names none
    genres: tuple[str, ...]
    has_genre: Floats  # (movies, genres), 0 or 1

    def __len__(self) -> int:
        return len(self.movie_ids)


@dataclass(frozen=True, slots=True)
class Movies:
    """A listing and the traits that no file shows."""

    listing: Listing
    quality: Floats  # standard normal
    fame: Floats  # logarithm of how likely the movie is to be met at all
    flavour: Floats  # (movies, DIMENSIONS), unit rows; similar movies lie close

    def __len__(self) -> int:
        return len(self.listing)


def read_listing(data: bytes, name: str) -> Listing:
    """The rows of a MovieLens `movies.csv`; `name` is only for the error."""
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
        ids = [int(row["movieId"]) for row in rows]
        titles = [row["title"].strip() for row in rows]
        genres = [split_genres(row["genres"]) for row in rows]
    except (csv.Error, UnicodeDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise SimulatorError(f"{name} is not a MovieLens movies file (movieId,title,genres).") from error
    if not ids or len(set(ids)) < len(ids):
        raise SimulatorError(f"{name} {'names a movie twice' if ids else 'has no movies'}.")
    names = tuple(sorted({genre for listed in genres for genre in listed}))
    return Listing(
        np.array(ids, np.int64), np.array([year_of(t) for t in titles]), names, table(genres, names)
    )


def split_genres(text: str) -> tuple[str, ...]:
    return tuple(genre for genre in text.strip().split("|") if genre and genre != NO_GENRES)


def year_of(title: str) -> float:
    """The year at the end of a title, NaN without one; a series counts from its first."""
    found = YEAR.search(title)
    return float(found[1]) if found else float("nan")


def table(genres: Iterable[tuple[str, ...]], names: tuple[str, ...]) -> Floats:
    return np.array([[float(name in listed) for name in names] for listed in genres])


def imagine(listing: Listing, rng: np.random.Generator) -> Movies:
    """Give every movie its hidden traits."""
    count = len(listing)
    return Movies(
        listing,
        quality=rng.normal(size=count),
        fame=fame(count, rng),
        flavour=flavour(listing, rng),
    )


def fame(count: int, rng: np.random.Generator) -> Floats:
    """Falls with the row: movies files list the well-known first, roughly."""
    return -1.8 * np.log1p(np.arange(count) / 40) + rng.normal(scale=0.5, size=count)


def flavour(listing: Listing, rng: np.random.Generator) -> Floats:
    """Movies of one genre or decade are alike; the rest is their own, which only viewers' choices show."""
    decades = np.unique(np.nan_to_num(listing.years, nan=0.0) // 10, return_inverse=True)[1]
    by_genre = listing.has_genre @ rng.normal(size=(len(listing.genres), DIMENSIONS))
    by_decade = rng.normal(size=(decades.max() + 1, DIMENSIONS))[decades]
    own = rng.normal(size=(len(listing), DIMENSIONS))
    return unit(0.5 * unit(by_genre) + 0.3 * unit(by_decade) + 0.8 * unit(own))


def unit(vectors: Floats) -> Floats:
    """Each row at length one; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1.0, lengths))
