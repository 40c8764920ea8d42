"""All titles known, and the only map from a movie's id to its row."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recommender.errors import BadInput
from recommender.titles import GENRES, split_title, title_key, title_keys

KINDS = ("movie", "show")
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Movie:
    movie_id: int
    title: str
    year: int | None
    kind: str
    genres: tuple[str, ...]


class Catalogue:
    """Immutable; its rows stand in the order of ascending movie id."""

    movie_ids: NDArray[np.int64]
    years: NDArray[np.int16]  # 0 = unknown
    genres: tuple[str, ...]  # GENRES, then other names in order of the alphabet
    genre_matrix: NDArray[np.bool_]  # rows by genres
    popularity: NDArray[np.int64]

    def __init__(self, movies: Iterable[Movie], popularity: Mapping[int, int] | None = None) -> None:
        self._movies = sorted(movies, key=lambda movie: movie.movie_id)
        self.movie_ids = _frozen([m.movie_id for m in self._movies], np.int64)
        if (np.diff(self.movie_ids) == 0).any():
            raise BadInput("a movie id stands in the catalogue twice")
        self.years = _frozen([m.year or 0 for m in self._movies], np.int16)
        self._kinds = _frozen([_kind_code(m) for m in self._movies], np.int8)
        self.genres = GENRES + tuple(sorted({g for m in self._movies for g in m.genres} - set(GENRES)))
        self.genre_matrix = self._genre_matrix()
        counts = popularity or {}
        self.popularity = _frozen([counts.get(m.movie_id, 0) for m in self._movies], np.int64)
        self._percentiles = _percentiles(self.popularity)
        self._row_of = {m.movie_id: row for row, m in enumerate(self._movies)}
        self._texts = [title_key(m.title) for m in self._movies]
        self._by_key = _index([title_keys(m.title) for m in self._movies])

    def _genre_matrix(self) -> NDArray[np.bool_]:
        column = {genre: i for i, genre in enumerate(self.genres)}
        matrix = np.zeros((len(self), len(self.genres)), bool, order="F")  # read by genre
        for row, movie in enumerate(self._movies):
            matrix[row, [column[genre] for genre in movie.genres]] = True
        matrix.flags.writeable = False
        return matrix

    def __len__(self) -> int:
        return len(self._movies)

    def __contains__(self, movie_id: object) -> bool:
        return movie_id in self._row_of

    def rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        """The row of each id, -1 where the movie is unknown."""
        return rows_in(self.movie_ids, ids)

    def mean_percentile(self, ids: ArrayLike) -> float:
        """Of the popularity of movies of this catalogue, 0 to 1; of equally popular ones the middle."""
        return float(self._percentiles[self.rows(ids)].mean())

    def movie(self, movie_id: int) -> Movie | None:
        row = self._row_of.get(movie_id)
        return None if row is None else self._movies[row]

    def is_kind(self, kind: str) -> NDArray[np.bool_]:
        code = KINDS.index(kind) if kind in KINDS else -1
        return np.equal(self._kinds, code)

    def has_genre(self, genres: Iterable[str]) -> NDArray[np.bool_]:
        """Rows that have at least one of the genres."""
        columns = [self.genres.index(genre) for genre in genres if genre in self.genres]
        found = np.zeros(len(self), bool)
        for column in columns:
            found |= self.genre_matrix[:, column]
        return found

    def candidates(self, title: str) -> list[Movie]:
        """Movies of exactly this title, narrowed by a year in the text; several are ambiguous."""
        name, year = split_title(title)
        found = [self._movies[row] for row in self._by_key.get(title_key(name), ())]
        if year is None:
            return found
        return [m for m in found if m.year == year] or [m for m in found if m.year is None]

    def search(
        self, query: str, kind: str | None = None, genre: str | None = None, after: int = 0, limit: int = 20
    ) -> list[Movie]:
        """Movies whose title holds every word of the query, by movie id, from the first after ``after``."""
        name, year = split_title(query)
        words = title_key(name).split()
        wanted = self.movie_ids > after
        wanted &= self.is_kind(kind) if kind is not None else True
        wanted &= self.has_genre([genre]) if genre is not None else True
        wanted &= self.years == year if year is not None else True
        found: list[Movie] = []
        for row in np.flatnonzero(wanted):
            if len(found) >= limit:
                break
            if all(word in self._texts[row] for word in words):
                found.append(self._movies[row])
        return found


def rows_in(ascending: NDArray[np.int64], ids: ArrayLike) -> NDArray[np.int64]:
    """Where each id stands among the ascending ones, -1 where it does not."""
    wanted = np.asarray(ids, np.int64)
    if not len(ascending):
        return np.full(len(wanted), -1, np.int64)
    places = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.where(ascending[places] == wanted, places, -1)


def _percentiles(popularity: NDArray[np.int64]) -> NDArray[np.float64]:
    ordered = np.sort(popularity)
    below, not_above = (np.searchsorted(ordered, popularity, side) for side in ("left", "right"))
    found: NDArray[np.float64] = (below + not_above) / (2 * max(1, len(ordered)))
    return found


def _kind_code(movie: Movie) -> int:
    if movie.kind not in KINDS:
        raise BadInput(f"movie {movie.movie_id} is of kind {movie.kind!r}; known are {', '.join(KINDS)}")
    return KINDS.index(movie.kind)


def _frozen(values: list[int], dtype: type[_Number]) -> NDArray[_Number]:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


def _index(keys: list[tuple[str, ...]]) -> dict[str, list[int]]:
    rows = defaultdict(list)
    for row, names in enumerate(keys):
        for name in names:
            rows[name].append(row)
    return dict(rows)
