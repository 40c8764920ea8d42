"""The rows of a text file: read in blocks of whole lines, and refused by rules that have names."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from recommender.errors import BadInput
from recommender.files import Store

BLOCK_BYTES = 12_000_000  # about 500,000 ratings
LONGEST_LINE = 1_000_000
LONGEST_ID = 200  # characters of a user's or a movie's id
LONGEST_TITLE, LONGEST_GENRE = 500, 100  # characters; Postgres has an index of both
KEPT = 500  # characters of a refused row that are stored
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UNSTORABLE = str.maketrans("\0\r", "\ufffd\ufffd")


class Rule(StrEnum):
    """Why a row is refused. A row that breaks several is listed with the one that comes first here."""

    sentence: str

    def __new__(cls, name: str, sentence: str = "") -> Self:
        rule = str.__new__(cls, name)
        rule._value_ = name
        rule.sentence = sentence
        return rule

    WRONG_COLUMN_COUNT = "wrong_column_count", "The row has more or fewer columns than the file."
    BAD_ENCODING = "bad_encoding", "The row has bytes that are not text in the encoding of the file."
    BAD_USER = "bad_user", "The user's id is empty or longer than 200 characters."
    DELETED_USER = "deleted_user", "The user was deleted and stays deleted; the row is not kept."
    UNKNOWN_CLIENT = "unknown_client", "No client of this name is registered."
    UNKNOWN_MOVIE = "unknown_movie", "The movie's id is not in this source."
    BAD_RATING = "bad_rating", "The rating is not a number."
    RATING_OFF_SCALE = "rating_off_scale", "The rating is not from 0.5 to 5."
    BAD_TIMESTAMP = "bad_timestamp", "The timestamp is not a number of seconds since 1970."
    FUTURE_TIMESTAMP = "future_timestamp", "The timestamp is later than the day, or than the import."
    DUPLICATE = "duplicate", "The file has a later rating by the same user for the same movie."
    BAD_MOVIE_ID = "bad_movie_id", "The movie's id is empty or longer than 200 characters."
    DUPLICATE_MOVIE = "duplicate_movie", "The movie's id stands on an earlier line."
    NO_TITLE = "no_title", "The title is empty or longer than 500 characters."
    BAD_YEAR = "bad_year", "The year is not from 1870 to 2100."
    BAD_KIND = "bad_kind", "The type is neither movie nor show."
    BAD_GENRE = "bad_genre", "A genre has more than 100 characters."


@dataclass(frozen=True, slots=True)
class Reject:
    file: str
    line: int
    rule: Rule
    row: str
    external_id: str | None = None


@dataclass(frozen=True)
class Block:
    """Whole lines, each ended by one newline; a carriage return before it is gone."""

    data: bytes
    first_line: int

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.frombuffer(self.data, np.uint8) == ord("\n"))

    def __len__(self) -> int:
        return len(self.ends)

    def raw(self, place: int) -> bytes:
        return self.data[self.ends[place - 1] + 1 if place else 0 : self.ends[place]]

    @property
    def first(self) -> int | None:
        """The place of the first line that is not blank."""
        blank = len(self.data) - len(self.data.lstrip())
        return self.data.count(b"\n", 0, blank) if blank < len(self.data) else None

    def line(self, place: int, encoding: str) -> str:
        return self.raw(place).decode(encoding, "replace")

    def text(self, place: int, encoding: str) -> str:
        """As it can be stored: unreadable bytes are replaced, a very long row is cut."""
        return _storable(self.line(place, encoding))

    def texts(self, encoding: str) -> Iterator[str]:
        """Of all lines, each as `text` gives it."""
        return map(_storable, self.data[:-1].decode(encoding, "replace").split("\n"))


def _storable(line: str) -> str:
    return line[:KEPT].translate(_UNSTORABLE)


def is_text(line: str) -> bool:
    """No NUL, which Postgres cannot store, and no carriage return, which would end a line in a list."""
    return "\0" not in line and "\r" not in line


def read_blocks(stream: BinaryIO, size: int = BLOCK_BYTES) -> Iterator[Block]:
    rest, line = stream.read(3).removeprefix(_BYTE_ORDER_MARK), 1
    while piece := stream.read(size):
        data = rest + piece
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if len(rest) > LONGEST_LINE:
            raise BadInput(f"a line after line {line} has more than {LONGEST_LINE:,} bytes")
        if cut:
            block = Block(data[:cut].replace(b"\r\n", b"\n"), line)
            line += len(block)
            yield block
    if rest:
        yield Block((rest.removesuffix(b"\n") + b"\n").replace(b"\r\n", b"\n"), line)


@contextmanager
def open_rows(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """The file's bytes, unpacked if it is a .gz, and how many of the bytes on disk have been read."""
    with _readable(str(path)), path.open("rb") as raw:
        yield _unpacked(raw, path.name), raw.tell


def stored_blocks(
    store: Store, path: str, progress: Callable[[int], None], size: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Of a file in a store, unpacked if it is a .gz; the progress is in bytes as they are stored."""
    with _readable(store.named(path)), store.reading(path) as raw:
        try:
            for block in read_blocks(_unpacked(raw, path), size):
                yield block
                progress(raw.tell())
        except BadInput as error:
            raise BadInput(f"{store.named(path)}: {error}") from None


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{name} cannot be read: {error}") from error


def _unpacked(raw: BinaryIO, name: str) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if name.endswith(".gz") else raw
