"""Runs of verbs: what ran for which day, how it ended and how long it took."""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection, insert, text

from recommender.tables import runs

Outcome = Literal["ok", "skipped", "failed"]
KEPT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Run:
    verb: str
    day: date | None
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    seconds: float


def write_run(connection: Connection, run: Run) -> None:
    connection.execute(insert(runs).values(**asdict(run)))


_FORGET = text("DELETE FROM runs WHERE finished_at < now() - make_interval(days => :days)")


def forget_old_runs(connection: Connection) -> int:
    return connection.execute(_FORGET, {"days": KEPT_DAYS}).rowcount
