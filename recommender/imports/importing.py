"""Take a MovieLens folder in: its movies into the catalogue, its ratings into one client's rows.

Each file is one transaction; what was killed or failed is run again, and running twice changes nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from recommender.database import transaction
from recommender.deletions import Deletions
from recommender.errors import BadInput, Failed, NotFound
from recommender.imports.injections import Counts, Injection, read_rejects
from recommender.imports.movie_load import load_movies
from recommender.imports.movie_rows import MovieRows, read_movies
from recommender.imports.movielens import Columns, Format, recognise
from recommender.imports.rating_load import RatingLoad
from recommender.imports.rating_merge import Merged
from recommender.imports.rating_rows import RatingReader
from recommender.imports.rows import BLOCK_BYTES, Block, Reject, Rule, open_rows, read_blocks
from recommender.progress import Progress
from recommender.tables import clients, movie_sources


@dataclass(frozen=True, slots=True)
class MoviesReport:
    file: str
    read: int
    new: int
    matched: int  # with a movie of another source
    updated: int
    unchanged: int
    rejects: tuple[Reject, ...]

    @property
    def rejected(self) -> Counter[Rule]:
        return Counter(reject.rule for reject in self.rejects)


@dataclass(frozen=True, slots=True)
class RatingsReport:
    file: str
    injection_id: int
    read: int
    loaded: int  # new or changed
    unchanged: int
    superseded: int  # older than the rating that is there
    new_users: int
    rejected: Counter[Rule]


@dataclass(frozen=True, slots=True)
class ImportReport:
    movies: MoviesReport
    ratings: RatingsReport | None

    @property
    def rejected(self) -> Counter[Rule]:
        return self.movies.rejected + (self.ratings.rejected if self.ratings else Counter())

    def rejects(self, engine: Engine) -> Iterator[Reject]:
        """Every refused row, by file and line."""
        yield from self.movies.rejects
        if self.ratings:
            yield from read_rejects(engine, self.ratings.injection_id)


def _silent(stage: str, done: int, total: int) -> None:
    pass


def import_folder(
    engine: Engine,
    folder: Path,
    *,
    source: str,
    client: str | None,
    now: datetime,
    tombstone_key: str,
    progress: Progress = _silent,
    block_bytes: int = BLOCK_BYTES,
) -> ImportReport:
    """``engine`` connects as the pipeline; ``client`` is a username, needed where there are ratings."""
    files = recognise(folder)
    if files.ratings and client is None:
        raise BadInput(f"{folder} has ratings: say which client they belong to")
    with transaction(engine) as connection:
        client_id = None if client is None else _client_id(connection, client)
    run = _Import(engine, source, now, tombstone_key, progress, block_bytes)
    movies = run.movies(files.movies, client_id)
    if files.ratings is None or client_id is None:
        return ImportReport(movies, None)
    return ImportReport(movies, run.ratings(files.ratings, client_id))


def _client_id(connection: Connection, username: str) -> int:
    own = clients.c.username == username
    found: int | None = connection.scalars(select(clients.c.client_id).where(own)).first()
    if found is None:
        raise NotFound(f"There is no client {username!r}.")
    return found


@dataclass(frozen=True, slots=True)
class _Import:
    engine: Engine
    source: str
    now: datetime
    tombstone_key: str
    progress: Progress
    block_bytes: int

    def movies(self, written: Format, client_id: int | None) -> MoviesReport:
        size = written.path.stat().st_size
        rows = read_movies(written, lambda done: self.progress("movies", done, size))
        with transaction(self.engine) as connection:
            if client_id is not None:
                self._list_movies(connection, written, client_id, rows)
            states = load_movies(connection, self.source, rows.movies)
        return MoviesReport(
            file=written.file,
            read=rows.read,
            new=states["new"],
            matched=states["matched"],
            updated=states["updated"],
            unchanged=states["known"],
            rejects=rows.rejects,
        )

    def _list_movies(self, connection: Connection, written: Format, client_id: int, rows: MovieRows) -> None:
        injection = self._start(connection, written, client_id)
        injection.refuse(rows.rejects)
        counts = Counts(rows.read, len(rows.movies), 0, 0, len(rows.rejects))
        injection.finish(counts, self.now, self.now)

    def _start(self, connection: Connection, written: Format, client_id: int) -> Injection:
        sha256 = _sha256(written.path)
        return Injection.start(connection, client_id, self.source, written.file, sha256, self.now)

    def ratings(self, written: Format, client_id: int) -> RatingsReport:
        with transaction(self.engine) as connection:
            injection = self._start(connection, written, client_id)
            deletions = Deletions(connection, client_id, self.tombstone_key)
            load = RatingLoad(connection, client_id, self.now)
            read = self._stage(connection, written, deletions, injection, load)
            self.progress("duplicates", 0, 1)
            if load.set_duplicates_aside():
                self._list_duplicates(written, injection, load)
            self.progress("duplicates", 1, 1)
            new_users = load.make_users()
            if not deletions.are_the_same():
                raise Failed("A user was deleted while the file was read: run the import again.")
            merged = load.merge(partial(self.progress, "users"))
            told = merged.loaded, merged.unchanged, merged.superseded
            injection.finish(Counts(read, *told, injection.refused.total()), self.now, self.now)
        return _ratings_report(written, injection, read, merged, new_users)

    def _stage(
        self,
        connection: Connection,
        written: Format,
        deletions: Deletions,
        injection: Injection,
        load: RatingLoad,
    ) -> int:
        """The good rows into the load and the others into the injection; how many rows there are."""
        movie_ids, read, size = _movie_ids(connection, self.source), 0, written.path.stat().st_size
        reader: RatingReader | None = None
        with open_rows(written.path) as (stream, position):
            for block in read_blocks(stream, self.block_bytes):
                header = reader is None and written.columns is None
                if reader is None:
                    columns = _columns(written, block)
                    reader = RatingReader(
                        written, columns, movie_ids, self.now.timestamp(), deletions.deleted
                    )
                rows = reader.read(block, skip=int(header))
                load.add(rows)
                injection.refuse(rows.rejects)
                read += rows.read
                self.progress("ratings", position(), size)
        if reader is None:
            raise BadInput(f"{written.path} is empty")
        return read

    def _list_duplicates(self, written: Format, injection: Injection, load: RatingLoad) -> None:
        """Only the database sees them all, and it does not keep the text: the file is read again for it."""
        with open_rows(written.path) as (stream, _):
            for block in read_blocks(stream, self.block_bytes):
                found = sorted(load.duplicates(block.first_line, len(block)).items())
                texts = (block.text(line - block.first_line, written.encoding) for line, _ in found)
                injection.refuse(
                    Reject(written.file, line, Rule.DUPLICATE, row, user)
                    for (line, user), row in zip(found, texts, strict=True)
                )


def _columns(written: Format, first: Block) -> Columns:
    return written.columns or written.read_header(first.line(0, written.encoding))


def _ratings_report(
    written: Format, injection: Injection, read: int, merged: Merged, new_users: int
) -> RatingsReport:
    return RatingsReport(
        file=written.file,
        injection_id=injection.injection_id,
        read=read,
        loaded=merged.loaded,
        unchanged=merged.unchanged,
        superseded=merged.superseded,
        new_users=new_users,
        rejected=injection.refused,
    )


def _movie_ids(connection: Connection, source: str) -> dict[str, int]:
    columns = select(movie_sources.c.source_id, movie_sources.c.movie_id)
    return dict(connection.execute(columns.where(movie_sources.c.source == source)).all())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
