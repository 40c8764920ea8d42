"""The rows of a day that were refused, as files that a person opens, mends and gives back."""

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from operator import itemgetter
from typing import Any

from recommender.imports.movielens import Columns, Format
from recommender.imports.rows import KEPT, Reject
from recommender.manifests import Making

REASONS = ("file", "line", "rule")
RATING_COLUMNS = ("userId", "movieId", "rating", "timestamp")
MOVIE_COLUMNS = ("movieId", "title", "genres")
ROW = "row"  # as it stood in the file, cut when it is very long
Write = Callable[[Iterable[Reject], Format, Columns], None]


@contextmanager
def listing(making: Making, path: str, file: str, names: tuple[str, ...]) -> Iterator[Write]:
    """Those of one file, by line. The list is made when the first row is refused."""
    with ExitStack() as stack:
        opened: list[tuple[Any, Any]] = []

        def write(rejects: Iterable[Reject], written: Format, columns: Columns) -> None:
            places = [columns.place[name.lower()] for name in names]
            rows = [_fields(reject, file, written, columns.count, places) for reject in rejects]
            if rows and not opened:
                opened.append(_opened(stack, making, path, names))
            if rows:
                hashed, writer = opened[0]
                writer.writerows(sorted(rows, key=itemgetter(1)))
                hashed.rows += len(rows)

        yield write


def _opened(stack: ExitStack, making: Making, path: str, names: tuple[str, ...]) -> tuple[Any, Any]:
    hashed = stack.enter_context(making.file(path, 0))
    writer = csv.writer(stack.enter_context(_text(hashed)), lineterminator="\n")
    writer.writerow([*REASONS, *names, ROW])
    return hashed, writer


@contextmanager
def _text(hashed: Any) -> Iterator[TextIOWrapper]:
    """Whoever opened the file closes it."""
    stream = TextIOWrapper(hashed.as_file(), "utf-8", newline="")
    try:
        yield stream
    finally:
        stream.detach()


def _fields(reject: Reject, file: str, written: Format, count: int, places: list[int]) -> list[Any]:
    values = written.split(reject.row) if len(reject.row) < KEPT else []
    if len(values) == count:
        named = [values[place].strip() for place in places]
        named[0] = reject.external_id or named[0]  # as it was read, so that a deletion finds it
    else:
        named = [reject.external_id or "", *[""] * (len(places) - 1)]  # a deletion finds the row by its user
    return [file, reject.line, reject.rule.value, *named, reject.row]
