"""A MovieLens folder of any generation as a catalogue and ratings, without a database."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender.catalogue import Catalogue, Movie
from recommender.errors import BadInput
from recommender.evaluation import Ratings
from recommender.imports.movie_rows import FileMovie, read_movies
from recommender.imports.movielens import Format, recognise
from recommender.imports.rating_rows import RatingReader
from recommender.imports.rating_rows import Ratings as FileRatings
from recommender.imports.rows import open_rows, read_blocks
from recommender.progress import Progress


@dataclass(frozen=True, slots=True)
class Data:
    name: str
    digest: str  # of the ratings and the catalogue as they were read
    catalogue: Catalogue
    ratings: Ratings


def read_folder(folder: Path, progress: Progress) -> Data:
    """Ids are those of the files where all are whole numbers, else places in the order of appearance."""
    files = recognise(folder)
    if files.ratings is None:
        raise BadInput(f"{folder} has no ratings")
    size = files.movies.path.stat().st_size
    found = read_movies(files.movies, lambda done: progress("movies", done, size)).movies
    ids = dict(zip((movie.source_id for movie in found), _numbers([m.source_id for m in found]), strict=True))
    ratings = _latest(_joined(list(_blocks(files.ratings, ids, progress))))
    return Data(folder.resolve().name, _digest(found, ratings), _catalogue(found, ids), ratings)


def _blocks(written: Format, ids: dict[str, int], progress: Progress) -> Iterator[FileRatings]:
    reader, size = None, written.path.stat().st_size
    with open_rows(written.path) as (stream, position):
        for block in read_blocks(stream):
            header = reader is None and written.columns is None
            if reader is None:
                columns = written.columns or written.read_header(block.line(0, written.encoding))
                reader = RatingReader(written, columns, ids, np.inf, lambda _names: set())
            yield reader.read(block, skip=int(header)).ratings
            progress("ratings", position(), size)


def _joined(blocks: Sequence[FileRatings]) -> Ratings:
    names = list(dict.fromkeys(name for block in blocks for name in block.external_ids))
    number = dict(zip(names, _numbers(names), strict=True))
    users = [np.array([number[n] for n in b.external_ids], np.int64)[b.users] for b in blocks]
    if not sum(map(len, users)):
        raise BadInput("the file of ratings has no row that can be read")
    movie_ids, ratings, times = (
        np.concatenate([getattr(block, column) for block in blocks])
        for column in ("movie_ids", "ratings", "times")
    )
    return Ratings(np.concatenate(users), movie_ids, ratings.astype(np.float32), times)


def _numbers(names: Sequence[str]) -> list[int]:
    if all(name.isascii() and name.isdigit() and len(name) < 19 for name in names):
        numbers = [int(name) for name in names]
        if len(set(numbers)) == len(names):
            return numbers
    return list(range(len(names)))


def _latest(ratings: Ratings) -> Ratings:
    """Of a pair rated twice the later rating; of equal times the one that stands later."""
    order = np.lexsort((ratings.times, ratings.movie_ids, ratings.users))
    users, movies = ratings.users[order], ratings.movie_ids[order]
    last = np.append((np.diff(users) != 0) | (np.diff(movies) != 0), True)
    return ratings.take(order[last])


def _catalogue(found: Sequence[FileMovie], ids: dict[str, int]) -> Catalogue:
    return Catalogue(Movie(ids[m.source_id], m.title, m.year, m.kind, m.genres) for m in found)


def _digest(found: Sequence[FileMovie], ratings: Ratings) -> str:
    digest = hashlib.sha256(repr([(m.source_id, m.year, m.kind, m.genres) for m in found]).encode())
    for name in ("users", "movie_ids", "ratings", "times"):
        digest.update(getattr(ratings, name).tobytes())
    return digest.hexdigest()[:16]
