"""What Postgres knows that the processing of a day asks for, all of it of one moment."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, select, text

from recommender.accounts import folded
from recommender.catalogue import Catalogue, Movie
from recommender.database import transaction
from recommender.imports.movie_rows import FileMovie
from recommender.registry import serving_state
from recommender.tables import clients, tombstones
from recommender.tombstones import external_digest

_UNTITLED = ""  # only genres are asked of this catalogue, and a title takes time to be made a key of


@dataclass(frozen=True, slots=True)
class SourceMovie:
    source_id: str
    movie_id: int
    kind: str
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    champion: str | None
    clients: Mapping[str, int]  # of the asked names those that are registered
    movies: tuple[SourceMovie, ...]  # of the source, by id
    digest: str  # of the source's movies, without ids that only this database knows
    _tombstones: Mapping[int, frozenset[bytes]]

    def deleted(self, client: str, tombstone_key: str) -> Callable[[set[str]], set[str]]:
        """Which of some users of the client were deleted."""
        client_id = self.clients[client]
        gone = self._tombstones.get(client_id, frozenset())

        def among(names: set[str]) -> set[str]:
            if not gone:
                return set()
            return {name for name in names if external_digest(tombstone_key, client_id, name) in gone}

        return among


def read_known(engine: Engine, source: str, names: Collection[str]) -> Known:
    with transaction(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
        found = _registered(connection, names)
        rows = connection.execute(_MOVIES, {"source": source}).all()
        champion = serving_state(connection).champion
        gone = _tombstones_of(connection, found.values())
    movies = tuple(SourceMovie(row.source_id, row.movie_id, row.kind, tuple(row.genres)) for row in rows)
    lines = (f"{row.source_id}\t{row.title}\t{row.year}\t{row.kind}\t{row.genres}\n" for row in rows)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return Known(champion, found, movies, digest, gone)


def _registered(connection: Connection, names: Collection[str]) -> dict[str, int]:
    usernames = [folded(name) for name in names]
    ids = select(clients.c.username, clients.c.client_id).where(clients.c.username.in_(usernames))
    found = dict(connection.execute(ids).all())
    return {name: found[folded(name)] for name in names if folded(name) in found}


_MOVIES = text("""
    SELECT s.source_id, m.movie_id, m.title, m.year, m.kind,
           ARRAY(SELECT g.name FROM movie_genres JOIN genres g USING (genre_id)
                 WHERE movie_id = m.movie_id ORDER BY g.name COLLATE "C") AS genres
    FROM movie_sources s JOIN movies m USING (movie_id)
    WHERE s.source = :source ORDER BY s.source_id COLLATE "C"
""")


def _tombstones_of(connection: Connection, client_ids: Iterable[int]) -> dict[int, frozenset[bytes]]:
    found: dict[int, frozenset[bytes]] = {}
    for client_id in client_ids:
        digests = select(tombstones.c.digest).where(tombstones.c.client_id == client_id)
        found[client_id] = frozenset(bytes(digest) for digest in connection.scalars(digests))
    return found


@dataclass(frozen=True, slots=True)
class DayMovies:
    """Every movie of the source as the day ends. A movie's code is its place among the sorted ids."""

    source_ids: tuple[str, ...]
    codes: Mapping[str, int]
    movie_ids: NDArray[np.int64]  # in Postgres, -1 for those that come with this day
    catalogue: Catalogue  # by code, for the genres

    @classmethod
    def of(cls, known: Iterable[SourceMovie], fresh: Iterable[FileMovie]) -> "DayMovies":
        """What the day's file says of a movie's genres counts before what Postgres says."""
        stored = {movie.source_id: movie for movie in known}
        genres = {name: movie.genres for name, movie in stored.items()}
        genres |= {movie.source_id: movie.genres for movie in fresh}
        names = tuple(sorted(genres))
        ids = [stored[name].movie_id if name in stored else -1 for name in names]
        movies = (Movie(code, _UNTITLED, None, "movie", genres[name]) for code, name in enumerate(names))
        codes = {name: code for code, name in enumerate(names)}
        return cls(names, codes, np.array(ids, np.int64), Catalogue(movies))
