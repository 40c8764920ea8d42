"""Every day that there is something of, and its state: from its folders and from what was loaded."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, select

from recommender.accounts import folded
from recommender.database import transaction
from recommender.days import INCOMING, MENDED, NOT_INJECTED, PROCESSED, RAW, REPLAY, is_day
from recommender.errors import BadInput
from recommender.files import Store
from recommender.imports.rows import Rule
from recommender.manifests import read_manifest
from recommender.tables import clients, injections


class State(StrEnum):
    UNREADABLE = "manifest unreadable"
    INCOMPLETE = "still being written"
    INCOMING = "incoming"
    FETCHED = "fetched"
    STOPPED = "stopped by rejects"
    PROCESSED = "processed"
    PARTLY_LOADED = "partly loaded"
    LOADED = "loaded"


@dataclass(frozen=True, slots=True)
class DayStatus:
    """Counts are of ratings: read = kept + superseded + rejected, as far as the batch was processed."""

    batch: str
    state: State
    read: int = 0
    kept: int = 0
    superseded: int = 0
    rejected: int = 0
    loaded: int = 0  # of those that were kept
    unchanged: int = 0  # and of those, what Postgres had already
    reasons: Mapping[str, int] = field(default_factory=dict)  # why rows were rejected, movies too
    champion: str | None = None
    forced: str | None = None
    fault: str | None = None  # of a manifest
    changed: bool = False  # what came in is no longer what was fetched
    mended: tuple[str, ...] = ()  # lists that a replay takes


def read_statuses(engine: Engine, data: Store, day: date | None = None) -> list[DayStatus]:
    """By day, of one or of all; a day's replay behind it."""
    loaded = _loaded(engine)
    names = {name for folder in (INCOMING, RAW, PROCESSED, NOT_INJECTED) for name in data.names(folder)}
    batches = {name for name in names if is_day(name.removesuffix(REPLAY))} | loaded.keys()
    wanted = (batch for batch in sorted(batches) if day is None or batch.removesuffix(REPLAY) == str(day))
    return [_status(data, batch, loaded.get(batch, {})) for batch in wanted]


@dataclass(frozen=True, slots=True)
class _Load:
    sha256: str  # of the raw file
    read: int
    loaded: int
    unchanged: int
    superseded: int
    rejected: int


def _loaded(engine: Engine) -> dict[str, dict[str, _Load]]:
    """By batch and by client, of the files that belong to a day."""
    c = injections.c
    counts = (c.rows_read, c.rows_loaded, c.rows_unchanged, c.rows_superseded, c.rows_rejected)
    query = select(clients.c.username, c.file, c.sha256, *counts).join(clients)
    found: dict[str, dict[str, _Load]] = {}
    with transaction(engine) as connection:
        for row in connection.execute(query.where(c.day.is_not(None), c.finished_at.is_not(None))):
            username, file, *rest = row
            found.setdefault(file.partition("/")[0], {})[username] = _Load(*rest)
    return found


def _status(data: Store, batch: str, loads: Mapping[str, _Load]) -> DayStatus:
    folders = (INCOMING, RAW, PROCESSED, NOT_INJECTED)
    try:
        incoming, raw, good, refused = (read_manifest(data, f"{folder}/{batch}") for folder in folders)
    except BadInput as error:  # of one day: the others are shown all the same
        return DayStatus(batch, State.UNREADABLE, fault=str(error))
    if incoming is None and raw is None and good is None and loads:
        return _of_loads(batch, loads.values())
    changed = bool(incoming and raw and raw.about.get("from") != incoming.digest)
    stopped = refused if refused and refused.about.get("stopped") else None
    for counted, state in ((good, State.PROCESSED), (stopped, State.STOPPED)):
        if raw and counted and counted.about.get("raw") == raw.digest:
            return replace(_counted(data, batch, counted.about, state, loads), changed=changed)
    if raw:
        return DayStatus(batch, State.FETCHED, changed=changed)
    return DayStatus(batch, State.INCOMING if incoming else State.INCOMPLETE)


def _of_loads(batch: str, loads: Iterable[_Load]) -> DayStatus:
    """The day's files are gone."""
    rows = {name: sum(getattr(load, name) for load in loads) for name in _Load.__slots__[1:]}
    return DayStatus(batch, State.LOADED, kept=rows["loaded"] + rows["unchanged"], **rows)


def _counted(
    data: Store, batch: str, about: Mapping[str, Any], state: State, loads: Mapping[str, _Load]
) -> DayStatus:
    files = about["clients"]
    standing = {name: loads[folded(name)] for name in files if folded(name) in loads}
    loaded = {name: load for name, load in standing.items() if load.sha256 == files[name]["sha256"]}
    same = list(loaded.values())
    if same and state is State.PROCESSED:
        missing = files.keys() - loaded.keys() - set(about["unknown_clients"])
        state = State.PARTLY_LOADED if missing else State.LOADED
    reasons: Counter[str] = Counter()
    for file in (about["movies"], *files.values()):
        reasons.update(file["rejected"])
    return DayStatus(
        batch,
        state,
        **{name: sum(file[name] for file in files.values()) for name in ("read", "kept", "superseded")},
        rejected=sum(sum(file["rejected"].values()) for file in files.values()),
        loaded=sum(load.loaded for load in same),
        unchanged=sum(load.unchanged for load in same),
        reasons=dict(reasons.most_common()),
        champion=about["champion"],
        forced=about.get("reason"),
        mended=tuple(_mended(data, batch)),
    )


def _mended(data: Store, batch: str) -> Iterator[str]:
    folder = f"{NOT_INJECTED}/{batch}"
    return (path for path in data.files(folder) if path.rpartition("/")[2] == MENDED)


def table(statuses: Sequence[DayStatus]) -> Iterator[str]:
    """Lines for a terminal."""
    names = ("read", "kept", "superseded", "rejected", "loaded", "unchanged")
    yield f"{'day':<18}{'state':<20}" + "".join(f"{name:>12}" for name in names)
    for status in statuses:
        counts = "".join(f"{getattr(status, name):>12,}" for name in names)
        yield f"{status.batch:<18}{status.state:<20}{counts}" + ("  (came in anew)" if status.changed else "")


def details(status: DayStatus) -> Iterator[str]:
    """Beside its line of the table."""
    yield from _reasons(status.reasons)
    if status.fault:
        yield f"  {status.fault}"
    if status.forced:
        yield f"  it was forced: {status.forced}"
    if status.champion:
        yield f"  tastes are of model {status.champion}"
    for path in status.mended:
        yield f"  {path} waits for `marquee replay`"
    if status.changed:
        yield "  what came in is no longer what was fetched: fetch it with --force and a reason"


def summary(about: Mapping[str, Any]) -> Iterator[str]:
    """What a processed batch is made of, out of its manifest."""
    movies = about["movies"]
    rejected = sum(movies["rejected"].values())
    yield f"movies: {movies['read']:,} read: {movies['kept']:,} kept, {rejected:,} rejected"
    yield from _reasons(movies["rejected"])
    for name, file in about["clients"].items():
        rejected = sum(file["rejected"].values())
        counts = f"{file['kept']:,} kept, {file['superseded']:,} superseded, {rejected:,} rejected"
        yield f"{name}: {file['read']:,} ratings read: {counts}; {file['users']:,} users"
        yield from _reasons(file["rejected"])


def _reasons(rejected: Mapping[str, int]) -> Iterator[str]:
    for rule, count in rejected.items():
        yield f"  {count:>8,} x {rule}: {Rule(rule).sentence}"
