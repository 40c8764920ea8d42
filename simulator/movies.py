"""Movies with hidden traits: how good, how famous, and what they taste of beyond their genre."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import SimulatorError
from simulator.franchises import NONE, find_franchises

DIMENSIONS = 8
NO_GENRES = "(no genres listed)"
# Calibrated as those of viewers.py. Movies files list the well-known first, roughly.
FAME_ROWS, FAME_FALL, FAME_BEND, FAME_NOISE = 40, 0.5, 0.13, 0.5
FAME_OF_QUALITY, QUALITY_FALL = 0.3, 0.8  # the good are met a little more, and the well-known are better
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
    franchise: Rows  # its number; NONE where the title stands alone

    def __len__(self) -> int:
        return len(self.movie_ids)


@dataclass(frozen=True, slots=True)
class Movies:
    """A listing and the traits that no file shows."""

    listing: Listing
    quality: Floats  # standard normal
    fame: Floats  # logarithm of how likely the movie is to be met at all
    flavour: Floats  # (movies, DIMENSIONS), unit rows; similar movies lie close
    genre_share: Floats  # (movies, genres): of a movie with many genres each says less
    common: Floats  # (genres,): the share of the movies that have it
    known_years: Floats

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
        np.array(ids, np.int64),
        np.array([year_of(title) for title in titles]),
        names,
        table(genres, names),
        find_franchises(titles),
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
    depth = np.log1p(np.arange(len(listing)) / FAME_ROWS)
    quality = standard(shared(listing.franchise, rng) - QUALITY_FALL * depth)
    return Movies(
        listing,
        quality=quality,
        fame=fame(depth, quality, rng),
        flavour=flavour(listing, rng),
        genre_share=listing.has_genre / np.sqrt(np.maximum(listing.has_genre.sum(axis=1), 1.0))[:, None],
        common=listing.has_genre.mean(axis=0),
        known_years=listing.years[~np.isnan(listing.years)],
    )


def shared(franchise: Rows, rng: np.random.Generator, dimensions: int | None = None) -> Floats:
    """Standard normal for each movie; those of one franchise have half of it in common."""
    shape = () if dimensions is None else (dimensions,)
    own = rng.normal(size=(len(franchise), *shape))
    common = rng.normal(size=(franchise.max() + 1, *shape))[franchise] if (franchise != NONE).any() else own
    alone = (franchise == NONE).reshape(-1, *(1 for _ in shape))
    return np.where(alone, own, (own + common) / np.sqrt(2))


def fame(depth: Floats, quality: Floats, rng: np.random.Generator) -> Floats:
    chance = FAME_OF_QUALITY * quality + rng.normal(scale=FAME_NOISE, size=len(quality))
    return np.asarray(chance - FAME_FALL * depth - FAME_BEND * depth**2)


def flavour(listing: Listing, rng: np.random.Generator) -> Floats:
    """Movies of one genre or decade are alike; the rest is their own, which only viewers' choices show."""
    decades = np.unique(np.nan_to_num(listing.years, nan=0.0) // 10, return_inverse=True)[1]
    by_genre = listing.has_genre @ rng.normal(size=(len(listing.genres), DIMENSIONS))
    by_decade = rng.normal(size=(decades.max() + 1, DIMENSIONS))[decades]
    own = shared(listing.franchise, rng, DIMENSIONS)
    return unit(0.5 * unit(by_genre) + 0.3 * unit(by_decade) + 0.8 * unit(own))


def standard(values: Floats) -> Floats:
    centred = values - values.mean()
    return np.asarray(centred / (centred.std() or 1.0))


def unit(vectors: Floats) -> Floats:
    """Each row at length one; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1.0, lengths))
