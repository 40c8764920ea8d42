"""Writes what viewers rated as a folder in the form of MovieLens."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO

import numpy as np

from simulator.errors import SimulatorError
from simulator.movies import Movies, imagine, read_listing
from simulator.viewers import Ratings, Viewer, draw_viewer, live

HEADER = b"userId,movieId,rating,timestamp\n"


@dataclass(frozen=True, slots=True)
class Written:
    viewers: int
    ratings: int
    mean: float
    faults: Mapping[str, int] = field(default_factory=dict)  # rows that were spoiled, by the rule they break


def movies_of(data: bytes, name: str, seed: int) -> Movies:
    return imagine(read_listing(data, name), np.random.default_rng([seed, 0]))


def life(
    movies: Movies,
    user_id: int,
    seed: int,
    until: date,
    change: Callable[[Viewer], Viewer] = lambda viewer: viewer,
) -> Ratings:
    """A stream of chance for each viewer: more viewers leave the earlier ones as they are."""
    rng = np.random.default_rng([seed, user_id])
    return live(change(draw_viewer(movies, rng)), movies, until, rng)


def write_history(
    movies_file: Path,
    folder: Path,
    user_ids: Iterable[int],
    seed: int,
    until: date,
) -> Written:
    """`user_ids` count from 1. The ratings are moved in place last, so a folder that has them is complete."""
    try:
        data = movies_file.read_bytes()
        movies = movies_of(data, movies_file.name, seed)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "movies.csv") as file:
            file.write(data)
        with replacing(folder / "ratings.csv") as file:
            return write_ratings(file, user_ids, lambda user_id: life(movies, user_id, seed, until))
    except OSError as error:
        raise SimulatorError(f"{error.filename or folder}: {error.strerror}.") from error


def lines(user_id: int, ratings: Ratings) -> Iterator[bytes]:
    columns = (ratings.movie_ids.tolist(), ratings.stars.tolist(), ratings.times.tolist())
    for movie_id, stars, time in zip(*columns, strict=True):
        yield b"%d,%d,%.1f,%d\n" % (user_id, movie_id, stars, time)


def write_ratings(
    file: BinaryIO,
    user_ids: Iterable[int],
    life_of: Callable[[int], Ratings],
    lines_of: Callable[[int, Ratings], Iterable[bytes]] = lines,
) -> Written:
    viewers = ratings = 0
    stars = 0.0
    file.write(HEADER)
    for user_id in user_ids:
        lived = life_of(user_id)
        file.writelines(lines_of(user_id, lived))
        viewers, ratings, stars = viewers + 1, ratings + len(lived), stars + float(lived.stars.sum())
    if not ratings:
        raise SimulatorError("All of these movies came out after the last day: there is nothing to rate.")
    return Written(viewers, ratings, stars / ratings)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name only when it is whole."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
