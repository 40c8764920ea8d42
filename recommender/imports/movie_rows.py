"""Rows of a file of movies, read into records and rejects."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from recommender.catalogue import KINDS
from recommender.errors import BadInput
from recommender.imports.movielens import GENRES, KIND, MOVIE, TITLE, Columns, Format
from recommender.imports.rows import (
    LONGEST_GENRE,
    LONGEST_ID,
    LONGEST_TITLE,
    Block,
    Reject,
    Rule,
    is_text,
    open_rows,
    read_blocks,
)
from recommender.titles import split_genres, split_title

FIRST_YEAR, LAST_YEAR = 1870, 2100  # as the table allows


@dataclass(frozen=True, slots=True)
class FileMovie:
    line: int
    source_id: str
    title: str
    year: int | None
    kind: str
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MovieRows:
    read: int
    movies: tuple[FileMovie, ...]
    rejects: tuple[Reject, ...]
    columns: Columns | None  # None where the file is empty


def read_movies(written: Format, progress: Callable[[int], None]) -> MovieRows:
    reader = _Reader(written)
    with open_rows(written.path) as (stream, position):
        for block in read_blocks(stream):
            reader.read(block)
            progress(position())
    if reader.columns is None:
        raise BadInput(f"{written.path} is empty")
    return reader.rows()


def movies_in(written: Format, blocks: Iterable[Block]) -> MovieRows:
    """An empty file has none."""
    reader = _Reader(written)
    for block in blocks:
        reader.read(block)
    return reader.rows()


class _Reader:
    def __init__(self, written: Format) -> None:
        self.written = written
        self.columns = written.columns
        self.lines = 0
        self.movies: dict[str, FileMovie] = {}
        self.rejects: list[Reject] = []

    def rows(self) -> MovieRows:
        return MovieRows(self.lines, tuple(self.movies.values()), tuple(self.rejects), self.columns)

    def read(self, block: Block) -> None:
        for place in range(len(block)):
            if not block.raw(place).strip():
                continue
            if self.columns is None:
                self.columns = self.written.read_header(block.line(place, self.written.encoding))
            else:
                self._row(block, place, self.columns)

    def _row(self, block: Block, place: int, columns: Columns) -> None:
        self.lines += 1
        line = block.first_line + place
        movie = self._movie(line, block.raw(place), columns)
        if isinstance(movie, Rule):
            text = block.text(place, self.written.encoding)
            self.rejects.append(Reject(self.written.file, line, movie, text))
        else:
            self.movies[movie.source_id] = movie

    def _movie(self, line: int, raw: bytes, columns: Columns) -> FileMovie | Rule:
        text = raw.decode(self.written.encoding, "surrogateescape")
        fields = [field.strip() for field in self.written.split(text)]
        if len(fields) != columns.count:
            return Rule.WRONG_COLUMN_COUNT
        if not _is_readable(text):
            return Rule.BAD_ENCODING
        source_id = fields[columns.place[MOVIE]]
        if not 0 < len(source_id) <= LONGEST_ID:
            return Rule.BAD_MOVIE_ID
        if source_id in self.movies:
            return Rule.DUPLICATE_MOVIE
        return _described(line, source_id, fields, columns, self.written.flags)


def _described(
    line: int, source_id: str, fields: list[str], columns: Columns, flags: tuple[str, ...]
) -> FileMovie | Rule:
    title, year = split_title(fields[columns.place[TITLE]])
    kind = fields[columns.place[KIND]].lower() if KIND in columns.place else ""
    genres = _genres(fields, columns, flags)
    if not 0 < len(title) <= LONGEST_TITLE:
        return Rule.NO_TITLE
    if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
        return Rule.BAD_YEAR
    if kind not in ("", *KINDS):
        return Rule.BAD_KIND
    if any(len(genre) > LONGEST_GENRE for genre in genres):
        return Rule.BAD_GENRE
    return FileMovie(line, source_id, title, year, kind or "movie", genres)


def _genres(fields: list[str], columns: Columns, flags: tuple[str, ...]) -> tuple[str, ...]:
    if not flags:
        return split_genres(fields[columns.place[GENRES]])
    marked = (flag for flag, field in zip(flags, fields[-len(flags) :], strict=True) if field == "1")
    return split_genres("|".join(marked))


def _is_readable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return is_text(text)
