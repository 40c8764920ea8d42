"""One file of one client as it was taken in: its hash, its counts and the rows that were refused."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from recommender.bulk import copy_rows, run
from recommender.database import transaction
from recommender.rows import Reject, Rule
from recommender.tables import injections, rejects


@dataclass(frozen=True, slots=True)
class Injection:
    """Open until ``finish``, within one transaction; the file's earlier rejects are gone."""

    connection: Connection
    injection_id: int
    client_id: int
    file: str
    refused: Counter[Rule] = field(default_factory=Counter)

    @classmethod
    def start(
        cls, connection: Connection, client_id: int, source: str, file: str, sha256: str, now: datetime
    ) -> "Injection":
        row = insert(injections).values(
            client_id=client_id, source=source, file=file, sha256=sha256, started_at=now
        )
        known = (injections.c.client_id, injections.c.source, injections.c.file)
        row = row.on_conflict_do_update(index_elements=known, set_={"sha256": sha256, "started_at": now})
        injection_id = connection.scalars(row.returning(injections.c.injection_id)).one()
        connection.execute(delete(rejects).where(rejects.c.injection_id == injection_id))
        run(connection, _INCOMING)
        return cls(connection, injection_id, client_id, file)

    def refuse(self, rows: Iterable[Reject]) -> None:
        listed = list(rows)
        self.refused.update(reject.rule for reject in listed)
        fields = ((r.line, r.rule.value, r.external_id, r.row) for r in listed)
        if listed:
            copy_rows(self.connection, "incoming_rejects", "line, rule, external_id, row", fields)

    def finish(self, *, read: int, loaded: int, superseded: int, now: datetime) -> None:
        run(
            self.connection, _STORED, injection_id=self.injection_id, client_id=self.client_id, file=self.file
        )
        counts = {"rows_read": read, "rows_loaded": loaded, "rows_superseded": superseded}
        self.connection.execute(
            update(injections)
            .where(injections.c.injection_id == self.injection_id)
            .values(**counts, rows_rejected=self.refused.total(), finished_at=now)
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
