"""MovieLens folders of every generation, as they are downloaded: their files and how rows are written."""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from recommender.errors import BadInput
from recommender.imports.rows import open_rows

USER, MOVIE, RATING, TIMESTAMP = "userid", "movieid", "rating", "timestamp"
TITLE, GENRES, KIND = "title", "genres", "type"
_RATING_NAMES, _MOVIE_NAMES = (USER, MOVIE, RATING, TIMESTAMP), (MOVIE, TITLE, GENRES)
_FLAGS_FROM = 5  # u.item: id, title, two dates and an address stand before the genre flags
_GENERATIONS = (("movies.csv", "ratings.csv"), ("movies.dat", "ratings.dat"), ("u.item", "u.data"))


@dataclass(frozen=True, slots=True)
class Columns:
    count: int
    place: Mapping[str, int]

    @classmethod
    def named(cls, names: Iterable[str]) -> "Columns":
        listed = list(names)
        return cls(len(listed), {name: place for place, name in reversed(list(enumerate(listed)))})


@dataclass(frozen=True, slots=True)
class Format:
    """How the rows of one file are written; without ``columns`` its first line names them."""

    path: Path
    separator: str
    encoding: str
    needed: tuple[str, ...]
    columns: Columns | None = None
    flags: tuple[str, ...] = ()  # the genres of u.item's flags, in order

    @property
    def file(self) -> str:
        return self.path.name

    def split(self, line: str) -> list[str]:
        """No row of a MovieLens file runs on: a quote that is left open spoils its own line and no other."""
        if self.separator != ",":
            return line.split(self.separator)
        try:
            return next(csv.reader([line], strict=True))
        except csv.Error:
            return []

    def read_header(self, line: str) -> Columns:
        names = [_column_name(name) for name in self.split(line)]
        missing = [name for name in self.needed if name not in names]
        if missing:
            raise BadInput(f"{self.path}: the first line names no column {' and no '.join(missing)}.")
        twice = [name for name in self.needed if names.count(name) > 1]
        if twice:
            raise BadInput(f"{self.path}: the first line names the column {' and '.join(twice)} twice.")
        return Columns.named(names)


_Making = Callable[[Path], Format]


@dataclass(frozen=True, slots=True)
class Folder:
    movies: Format
    ratings: Format | None  # a catalogue alone has none


def recognise(folder: Path) -> Folder:
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder")
    formats: tuple[Callable[..., Folder], ...] = (_csv, _dat, _hundred_k)
    for names, make in zip(_GENERATIONS, formats, strict=True):
        movies, ratings = (_find(folder, name) for name in names)
        if movies:
            return make(movies, ratings)
        if ratings:
            raise BadInput(f"{folder} has {ratings.name} and no {names[0]}")
    wanted = ", ".join(" and ".join(names) for names in _GENERATIONS)
    raise BadInput(f"{folder} is no MovieLens folder: none of these is in it: {wanted}")


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _folder(movies: Path, ratings: Path | None, movie_format: _Making, rating_format: _Making) -> Folder:
    return Folder(movie_format(movies), rating_format(ratings) if ratings else None)


def _csv(movies: Path, ratings: Path | None) -> Folder:
    return _folder(movies, ratings, movies_csv, ratings_csv)


def movies_csv(path: Path) -> Format:
    return Format(path, ",", "utf-8", _MOVIE_NAMES)


def ratings_csv(path: Path) -> Format:
    return Format(path, ",", "utf-8", _RATING_NAMES)


def _dat(movies: Path, ratings: Path | None) -> Folder:
    written = partial(Format, separator="::", encoding=_dat_encoding(movies))
    return _folder(movies, ratings, _headless(written, _MOVIE_NAMES), _headless(written, _RATING_NAMES))


def _hundred_k(movies: Path, ratings: Path | None) -> Folder:
    flags = _flags(movies.parent)
    names = [MOVIE, TITLE, *[""] * (_FLAGS_FROM - 2), *flags]
    items = partial(Format, separator="|", encoding="latin-1", flags=flags)
    marks = partial(Format, separator="\t", encoding="latin-1")
    return _folder(movies, ratings, _headless(items, names), _headless(marks, _RATING_NAMES))


def _headless(written: partial[Format], names: Iterable[str]) -> partial[Format]:
    columns = Columns.named(names)
    return partial(written, needed=tuple(columns.place), columns=columns)


def _flags(folder: Path) -> tuple[str, ...]:
    path = _find(folder, "u.genre")
    if path is None:
        raise BadInput(f"{folder} has u.item and no u.genre, which names its genres")
    lines = _read(path).decode("latin-1").splitlines()
    return tuple(line.split("|")[0] for line in lines if line.strip())


def _dat_encoding(movies: Path) -> str:
    """ml-1m is in Latin-1 and ml-10m in UTF-8, under the same names; only ml-10m has tags."""
    if _find(movies.parent, "tags.dat"):
        return "utf-8"
    try:
        _read(movies).decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _read(path: Path) -> bytes:
    with open_rows(path) as (stream, _):
        return stream.read()


def _column_name(written: str) -> str:
    return written.strip().lower().replace("_", "")
