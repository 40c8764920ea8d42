"""One file of one client as it was taken in: its hash, its counts and the rows that were refused."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, field
from datetime import date, datetime
from operator import add
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from recommender.bulk import copy_rows, run
from recommender.database import transaction
from recommender.imports.rows import Reject, Rule
from recommender.tables import injections, rejects


@dataclass(frozen=True, slots=True)
class Counts:
    """Of rows: those that were read are the sum of the others."""

    read: int
    loaded: int  # new or changed
    unchanged: int
    superseded: int  # older than what was there
    rejected: int

    @classmethod
    def none(cls) -> "Counts":
        return cls(0, 0, 0, 0, 0)

    @classmethod
    def of(cls, row: Any) -> "Counts":
        return cls(*(getattr(row, f"rows_{name}") for name in cls.__slots__))

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Injection:
    """Open until ``finish``, within one transaction; the file's earlier rejects are gone."""

    connection: Connection
    injection_id: int
    client_id: int
    file: str
    sha256: str
    known: Counts | None  # of the last time, when the bytes of the file were the same
    refused: Counter[Rule] = field(default_factory=Counter)

    @classmethod
    def start(
        cls,
        connection: Connection,
        client_id: int,
        source: str,
        file: str,
        sha256: str,
        now: datetime,
        day: date | None = None,
    ) -> "Injection":
        """Whoever takes in the same file at the same time waits here."""
        row = insert(injections).values(
            client_id=client_id, source=source, file=file, sha256=sha256, day=day, started_at=now
        )
        key = (injections.c.client_id, injections.c.source, injections.c.file)
        row = row.on_conflict_do_update(index_elements=key, set_={"day": day})
        found = connection.execute(row.returning(injections)).one()
        connection.execute(delete(rejects).where(rejects.c.injection_id == found.injection_id))
        run(connection, _INCOMING)
        known = Counts.of(found) if found.finished_at and found.sha256 == sha256 else None
        return cls(connection, found.injection_id, client_id, file, sha256, known)

    def refuse(self, rows: Iterable[Reject]) -> None:
        listed = list(rows)
        self.refused.update(reject.rule for reject in listed)
        fields = ((r.line, r.rule.value, r.external_id, r.row) for r in listed)
        if listed:
            copy_rows(self.connection, "incoming_rejects", "line, rule, external_id, row", fields)

    def finish(self, counts: Counts, started: datetime, now: datetime) -> None:
        """A file that was taken in before, and brought nothing new, keeps what was said of it then."""
        run(
            self.connection, _STORED, injection_id=self.injection_id, client_id=self.client_id, file=self.file
        )
        if self.known and counts.loaded == 0 and counts.rejected == self.known.rejected:
            return
        values = {f"rows_{name}": value for name, value in asdict(counts).items()}
        self.connection.execute(
            update(injections)
            .where(injections.c.injection_id == self.injection_id)
            .values(**values, sha256=self.sha256, started_at=started, finished_at=now)
        )


def read_rejects(engine: Engine, injection_id: int) -> Iterator[Reject]:
    """By line, without holding them all."""
    columns = (rejects.c.file, rejects.c.line, rejects.c.rule, rejects.c.row, rejects.c.external_id)
    found = select(*columns).where(rejects.c.injection_id == injection_id).order_by(rejects.c.line)
    with transaction(engine) as connection:
        streamed = connection.execution_options(yield_per=1000).execute(found)
        for file, line, rule, row, external_id in streamed:
            yield Reject(file, line, Rule(rule), row, external_id)


# COPY cannot fill a table with row-level security.
_INCOMING = """
CREATE TEMPORARY TABLE incoming_rejects (
    line bigint NOT NULL, rule text NOT NULL, external_id text, row text NOT NULL
) ON COMMIT DROP"""

_STORED = """
INSERT INTO rejects (injection_id, client_id, external_id, file, line, rule, row)
SELECT :injection_id, :client_id, external_id, :file, line, rule, row FROM incoming_rejects"""
