"""One raw file of a day, read block by block: good rows to whoever takes them, the others to their list."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from recommender.daily.refused_rows import Write
from recommender.files import Store
from recommender.imports.movie_rows import FileMovie, movies_in
from recommender.imports.movielens import Columns, Format, movies_csv, ratings_csv
from recommender.imports.rating_rows import RatingReader, RatingRows, Ratings
from recommender.imports.rows import Block, Reject, Rule, stored_blocks
from recommender.manifests import Entry

Bytes = Callable[[int], None]  # progress in one file


@dataclass(frozen=True, slots=True)
class RawFile:
    data: Store
    folder: str  # raw/BATCH
    entry: Entry
    block_bytes: int

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.entry.path}"

    def blocks(self, progress: Bytes) -> Iterable[Block]:
        return stored_blocks(self.data, self.path, progress, self.block_bytes)


@dataclass
class Counts:
    read: int = 0
    rejected: Counter[Rule] = field(default_factory=Counter)

    def refuse(self, rejects: Iterable[Reject]) -> None:
        self.rejected.update(reject.rule for reject in rejects)

    def as_json(self) -> dict[str, object]:
        return {"read": self.read, "rejected": {rule.value: n for rule, n in sorted(self.rejected.items())}}


def take_movies(file: RawFile, write: Write, progress: Bytes) -> tuple[tuple[FileMovie, ...], Counts]:
    written = movies_csv(Path(file.path))
    rows = movies_in(written, file.blocks(progress))
    counts = Counts(rows.read)
    counts.refuse(rows.rejects)
    if rows.columns:
        write(rows.rejects, written, rows.columns)
    return rows.movies, counts


class Reader(Protocol):
    def read(self, block: Block, skip: int = 0) -> RatingRows: ...


@dataclass(frozen=True, slots=True)
class NobodysReader:
    """Of a client that is not registered: every row is refused."""

    written: Format

    def read(self, block: Block, skip: int = 0) -> RatingRows:
        lines = enumerate(block.texts(self.written.encoding), start=block.first_line)
        rejects = [
            Reject(self.written.file, line, Rule.UNKNOWN_CLIENT, text)
            for line, text in islice(lines, skip, None)
            if text
        ]
        return RatingRows(len(rejects), _NO_RATINGS, np.zeros(0, np.int64), rejects)


_NO_RATINGS = Ratings([], np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Rules:
    """What a client's rows are held against."""

    movie_codes: Mapping[str, int]
    latest: float  # unix seconds
    deleted: Callable[[set[str]], set[str]] | None  # which of these users are; None of an unknown client

    def reader(self, written: Format, columns: Columns) -> Reader:
        if self.deleted is None:
            return NobodysReader(written)
        return RatingReader(written, columns, self.movie_codes, self.latest, self.deleted)


def take_ratings(
    file: RawFile, rules: Rules, take: Callable[[RatingRows], None], write: Write, progress: Bytes
) -> Counts:
    written, counts = ratings_csv(Path(file.path)), Counts()
    columns: Columns | None = None
    for block in file.blocks(progress):
        header = 0
        if columns is None:
            if (first := block.first) is None:
                continue
            columns, header = written.read_header(block.line(first, written.encoding)), first + 1
        rows = rules.reader(written, columns).read(block, skip=header)
        counts.read += rows.read
        counts.refuse(rows.rejects)
        write(rows.rejects, written, columns)
        take(rows)
    return counts
