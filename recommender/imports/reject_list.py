"""What an import did, as a person reads it."""

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from recommender.imports.importing import ImportReport
from recommender.imports.rows import Reject

SHOWN = 50


def summary(report: ImportReport) -> Iterator[str]:
    m, r = report.movies, report.ratings
    yield (
        f"{m.file}: {m.read:,} movies read: {m.new:,} new, {m.matched:,} known from another source,"
        f" {m.updated:,} updated, {m.unchanged:,} unchanged, {len(m.rejects):,} rejected"
    )
    if r:
        yield (
            f"{r.file}: {r.read:,} ratings read: {r.loaded:,} loaded, {r.unchanged:,} unchanged,"
            f" {r.superseded:,} superseded, {r.rejected.total():,} rejected; {r.new_users:,} new users"
        )
    for rule, count in report.rejected.most_common():
        yield f"  {count:>8,} x {rule.value}: {rule.sentence}"


def tell_rejects(
    rejects: Iterable[Reject], total: int, file: Path | None, say: Callable[[str], None]
) -> None:
    """To the file if there is one, else the first few to the terminal."""
    if file:
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["file", "line", "rule", "row"])
            writer.writerows((r.file, r.line, r.rule.value, r.row) for r in rejects)
        say(f"The {total:,} rejects are in {file}.")
        return
    for reject in islice(rejects, SHOWN):
        say(f"{reject.file}:{reject.line}: {reject.rule.value}: {reject.row}")
    if total > SHOWN:
        say(f"... and {total - SHOWN:,} more; --rejects FILE writes them all.")
