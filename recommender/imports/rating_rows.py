"""Rows of a file of ratings, read a block at a time into arrays and rejects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history import HIGHEST, LOWEST
from recommender.imports.movielens import MOVIE, RATING, TIMESTAMP, USER, Columns, Format
from recommender.imports.rows import LONGEST_ID, Block, Reject, Rule, is_text

Bools = NDArray[np.bool_]
_SEPARATOR = b"\x1f"  # stands for a comma outside quotes and for "::" while a block is read


@dataclass(frozen=True, slots=True)
class Ratings:
    """One entry per row, but for the users' ids: one entry per user."""

    external_ids: list[str]
    users: NDArray[np.int64]  # places in external_ids
    movie_ids: NDArray[np.int64]  # -1 where the source has no such movie
    ratings: NDArray[np.float64]  # NaN where it is not a number
    times: NDArray[np.float64]  # unix seconds, NaN where it is not a number

    def only(self, rows: Bools) -> "Ratings":
        users, movie_ids = self.users[rows], self.movie_ids[rows]
        return Ratings(self.external_ids, users, movie_ids, self.ratings[rows], self.times[rows])

    def broken(self, gone: set[str], now: float) -> dict[Rule, Bools]:
        """For each rule, the rows that break it."""
        bad = np.array([not _is_name(name) for name in self.external_ids], bool)
        deleted = np.array([name in gone for name in self.external_ids], bool)
        return {
            Rule.BAD_USER: bad[self.users],
            Rule.DELETED_USER: deleted[self.users],
            Rule.UNKNOWN_MOVIE: self.movie_ids < 0,
            Rule.BAD_RATING: ~np.isfinite(self.ratings),
            Rule.RATING_OFF_SCALE: ~((self.ratings >= LOWEST) & (self.ratings <= HIGHEST)),
            Rule.BAD_TIMESTAMP: ~(np.isfinite(self.times) & (self.times >= 0)),
            Rule.FUTURE_TIMESTAMP: self.times > now,
        }


@dataclass(frozen=True, slots=True)
class RatingRows:
    """Rows that break no rule by themselves; whether a later one takes their place is not known yet."""

    read: int
    ratings: Ratings
    lines: NDArray[np.int64]
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class RatingReader:
    written: Format
    columns: Columns
    movie_ids: Mapping[str, int]  # our id of each id of the source
    now: float  # unix seconds
    deleted: Callable[[set[str]], set[str]]  # which of these users are

    def read(self, block: Block, skip: int = 0) -> RatingRows:
        """The rows of the block after its first ``skip`` lines."""
        lines = _Lines(self.written, self.columns, block)
        present = ~lines.blank
        present[:skip] = False
        whole = present & ~lines.miscounted & ~lines.unreadable
        found = self._ratings(lines.only(whole))
        damaged = {place: lines.guess_user(place) for place in np.flatnonzero(present & ~whole).tolist()}
        gone = self.deleted({name for name in (*found.external_ids, *damaged.values()) if _is_name(name)})
        broken = found.broken(gone, self.now)
        verdict = np.select(list(broken.values()), range(len(broken)), -1)
        places, rules = np.flatnonzero(whole), list(broken)
        refuse = _Refuser(self.written, block, gone)
        rejects = [refuse(place, lines.rule(place), user) for place, user in damaged.items()]
        rejects += [
            refuse(places[row], rules[verdict[row]], found.external_ids[found.users[row]])
            for row in np.flatnonzero(verdict >= 0)
        ]
        kept = verdict < 0
        return RatingRows(int(present.sum()), found.only(kept), places[kept] + block.first_line, rejects)

    def _ratings(self, data: bytes) -> Ratings:
        frame = self._frame(data)
        users, external_ids = _distinct(frame[self.columns.place[USER]])
        movies, source_ids = _distinct(frame[self.columns.place[MOVIE]])
        movie_ids = np.array([self.movie_ids.get(name, -1) for name in source_ids], np.int64)[movies]
        ratings, times = (_numbers(frame[self.columns.place[name]]) for name in (RATING, TIMESTAMP))
        return Ratings(external_ids, users, movie_ids, ratings, times)

    def _frame(self, data: bytes) -> pd.DataFrame:
        """Columns by place; the two that are numbers are read as such when all of the block's rows are."""
        texts = {self.columns.place[name]: object for name in (USER, MOVIE)}
        numbers = {self.columns.place[name]: np.float64 for name in (RATING, TIMESTAMP)}
        if not data:
            return pd.DataFrame(columns=[*texts, *numbers])
        try:
            return self._parsed(data, {**texts, **numbers})
        except (ValueError, OverflowError):
            return self._parsed(data, dict.fromkeys((*texts, *numbers), object))

    def _parsed(self, data: bytes, types: Mapping[int, type]) -> pd.DataFrame:
        return pd.read_csv(
            BytesIO(data),
            sep=_separator(self.written).decode(),
            header=None,
            names=range(self.columns.count),
            usecols=sorted(types),
            dtype=types,
            encoding=self.written.encoding,
            lineterminator="\n",
            quoting=3,
            na_filter=False,
            skip_blank_lines=False,
            low_memory=False,
        )


class _Lines:
    """The lines of a block with one-byte separators and no quotes, and what can be said of each as a line."""

    blank: Bools
    miscounted: Bools
    unreadable: Bools

    def __init__(self, written: Format, columns: Columns, block: Block) -> None:
        self._written, self._columns = written, columns
        self._plain = Block(_plain(written, block.data), block.first_line)
        buffer = np.frombuffer(self._plain.data, np.uint8)
        separators = np.flatnonzero(buffer == ord(_separator(written)))
        before = np.searchsorted(separators, self._plain.ends)
        self._lengths = np.diff(self._plain.ends, prepend=-1)
        self.blank = self._lengths == 1
        self.miscounted = np.diff(before, prepend=0) != columns.count - 1
        self.unreadable = self._unreadable(buffer)

    def _unreadable(self, buffer: NDArray[np.uint8]) -> Bools:
        found = np.zeros(len(self._plain), bool)
        if self._plain.data.isascii() and not any(byte in self._plain.data for byte in (b"\0", b"\r")):
            return found
        suspect = (buffer >= 0x80) | (buffer == 0) | (buffer == ord("\r"))
        suspects = np.unique(np.searchsorted(self._plain.ends, np.flatnonzero(suspect)))
        found[[place for place in suspects if not self._is_text(self._plain.raw(place))]] = True
        return found

    def _is_text(self, raw: bytes) -> bool:
        try:
            return is_text(raw.decode(self._written.encoding))
        except UnicodeDecodeError:
            return False

    def rule(self, place: int) -> Rule:
        return Rule.WRONG_COLUMN_COUNT if self.miscounted[place] else Rule.BAD_ENCODING

    def only(self, wanted: Bools) -> bytes:
        if wanted.all():
            return self._plain.data
        bytes_wanted = np.repeat(wanted, self._lengths)
        return np.frombuffer(self._plain.data, np.uint8)[bytes_wanted].tobytes()

    def guess_user(self, place: int) -> str:
        """The user of a row that is broken, so that a deletion finds the row."""
        fields = self._plain.text(place, self._written.encoding).split(_separator(self._written).decode())
        column = self._columns.place[USER]
        return fields[column].strip() if column < len(fields) else ""


class _Refuser:
    def __init__(self, written: Format, block: Block, gone: set[str]) -> None:
        self._written, self._block, self._gone = written, block, gone

    def __call__(self, place: int, rule: Rule, external_id: str) -> Reject:
        """Of a deleted user's row nothing is kept but its line."""
        line = self._block.first_line + int(place)
        if external_id in self._gone:
            return Reject(self._written.file, line, rule, "")
        name = external_id if _is_name(external_id) else None
        return Reject(self._written.file, line, rule, self._block.text(place, self._written.encoding), name)


def _separator(written: Format) -> bytes:
    return _SEPARATOR if written.separator in (",", "::") else written.separator.encode()


def _plain(written: Format, data: bytes) -> bytes:
    if written.separator == "," and b'"' in data:
        return _unquoted(data)
    return data.replace(written.separator.encode(), _separator(written))


def _unquoted(data: bytes) -> bytes:
    """A line with a quote that is left open is read as if it had none."""
    letters = np.frombuffer(data, np.uint8)
    quotes, ends = letters == ord('"'), np.flatnonzero(letters == ord("\n"))
    seen = np.cumsum(quotes, dtype=np.int32)
    counts = np.diff(seen[ends], prepend=np.int32(0))
    before, lengths = seen[ends] - counts, np.diff(ends, prepend=-1)
    quoted = (seen - np.repeat(before, lengths)) % 2 == 1
    quoted &= np.repeat(counts % 2 == 0, lengths)
    separate = (letters == ord(",")) & ~quoted
    plain: bytes = np.where(separate, np.uint8(ord(_SEPARATOR)), letters)[~quotes].tobytes()
    return plain


def _distinct(column: "pd.Series[Any]") -> tuple[NDArray[np.int64], list[str]]:
    codes, texts = pd.factorize(column.to_numpy())
    return codes.astype(np.int64), [str(text).strip() for text in texts]


def _numbers(column: "pd.Series[Any]") -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)


def _is_name(external_id: str) -> bool:
    return 0 < len(external_id) <= LONGEST_ID
