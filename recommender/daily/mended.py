"""Lists of refused rows, read: as they were written, or as a person has mended them with a table program."""

import csv
from collections.abc import Iterator, Sequence
from io import TextIOWrapper

from recommender.errors import BadInput
from recommender.files import Store


def read_list(store: Store, path: str, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows by column; other columns than the needed ones may be missing, and are empty then."""
    with store.reading(path) as stream, TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        rows = csv.DictReader(text, restval="")
        try:
            missing = [name for name in needed if name not in (rows.fieldnames or ())]
            if missing:
                raise BadInput(f"{store.named(path)}: the first line names no column {', '.join(missing)}.")
            for row in rows:
                yield {name: value for name, value in row.items() if isinstance(value, str)}
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadInput(f"{store.named(path)} cannot be read as a table: {error}.") from None
