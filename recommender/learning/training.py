"""From the ratings of a day to a candidate: a version that is kept and registered, for others to judge."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from heapq import nsmallest
from importlib.metadata import version as installed
from importlib.resources import files
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from recommender.database import transaction
from recommender.days import parse_day
from recommender.errors import BadArtifact, BadInput, Failed, NothingToDo
from recommender.evaluation import Ratings
from recommender.files import Store
from recommender.history import History
from recommender.learning.audience import describe
from recommender.learning.counting import sum_shards
from recommender.learning.snapshots import Snapshot, open_snapshot, shard_file, take_snapshot
from recommender.learning.training_data import MOST_USERS
from recommender.model import DEFAULTS, Model, Parameters, fit_sums
from recommender.model_store import ModelStore
from recommender.registry import register

Progress = Callable[[str], None]
AUDIENCE_USERS = 5_000
_IN_CARD = ("digest", "day", "cutoff", "share", "ratings", "users", "left_out")
_FITTED_BY = (
    *(
        "history",
        "products",
        "statistics",
        "factors",
        "artifact",
        "parameters",
        "model",
        "catalogue",
        "titles",
    ),
    *(
        "folding",
        "learning/audience",
        "learning/changes",
        "learning/kept_statistics",
        "learning/training_data",
    ),
)
_LOCK = "hashtext('marquee.train')"
_KNOWN = text("""
    SELECT version, status, artifact_url <> '' AS has_files FROM models
    WHERE card #>> '{data,digest}' = :digest AND card ->> 'code' = :code
    AND (card -> 'parameters') || coalesce(card -> 'fold', '{}') = CAST(:parameters AS jsonb)
    ORDER BY trained_at DESC, version
""")


def code_version() -> str:
    """Of the package, and a digest of the code that a model's numbers come from."""
    digest = hashlib.sha256()
    for name in _FITTED_BY:
        digest.update((files("recommender") / f"{name}.py").read_bytes())
    return f"{installed('marquee')}+{digest.hexdigest()[:8]}"


@contextmanager
def alone(engine: Engine, wait: bool = False) -> Iterator[None]:
    """One training at a time, and nobody changes its data meanwhile."""
    take = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.scalar(text(f"SELECT {take}({_LOCK})")) is False:
            raise Failed("Another training runs, or tidies up. Wait for it, or end it first.")
        try:
            yield
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))


def train(
    engine: Engine,
    data: Store,
    models: ModelStore,
    day: date,
    *,
    reason: str | None = None,
    shards: int = 1,
    digest: str | None = None,
    parameters: Parameters = DEFAULTS,
    tuned: Mapping[str, Any] | None = None,
    most_users: int = MOST_USERS,
    progress: Progress = lambda _: None,
) -> str:
    """The candidate's version. A digest names a snapshot that was taken before; else one is taken now.

    ``tuned`` says in the card how the parameters were chosen; ``most_users`` of a client are learned from.
    NothingToDo when the same was trained and judged already, unless a reason is given.
    """
    known = _known(engine, models, parameters, reason)
    with alone(engine):
        if digest is None:
            snapshot = take_snapshot(engine, data, day, shards, progress, known, most_users)
        else:
            snapshot = whole(open_snapshot(data, digest))
        if version := known(snapshot.digest):
            progress(f"{version} was fitted to these data already, and waits to be judged")
            return version
        model = fitted(snapshot, parameters, progress, tuned=tuned)
        if not _loads(models, model.version):  # the champion's files are not moved under its readers
            models.save(model)
        with transaction(engine) as connection:
            address, of = models.url(model.version), parse_day(snapshot.about["day"])
            register(connection, model.version, json.dumps(model.card), address, of)
        return model.version


def snapshot_to_train(
    engine: Engine,
    data: Store,
    models: ModelStore,
    day: date,
    *,
    reason: str | None = None,
    shards: int = 1,
    parameters: Parameters = DEFAULTS,
    most_users: int = MOST_USERS,
    progress: Progress = lambda _: None,
) -> Snapshot:
    """For shards that are counted side by side before ``train`` is told the digest."""
    with alone(engine):
        known = _known(engine, models, parameters, reason)
        return take_snapshot(engine, data, day, shards, progress, known, most_users)


def whole(snapshot: Snapshot) -> Snapshot:
    if snapshot.about.get("erasing") or snapshot.about.get("erased"):
        raise Failed(f"Users of the data {snapshot.digest} were deleted since: take a snapshot again.")
    return snapshot


def fitted(
    snapshot: Snapshot,
    parameters: Parameters = DEFAULTS,
    progress: Progress = lambda _: None,
    *,
    tuned: Mapping[str, Any] | None = None,
    again: Mapping[str, Any] | None = None,
) -> Model:
    """The same bytes for the same data, parameters and code.

    ``again`` is the card of a model of these data, which may have been exported on another day since: then
    nothing that was counted before is believed.
    """
    catalogue, sums = (
        snapshot.catalogue(),
        sum_shards(snapshot, parameters, progress, afresh=again is not None),
    )
    data = again["data"] if again else {n: snapshot.about[n] for n in _IN_CARD if n in snapshot.about}
    about = {"data": data, "code": code_version(), **({"tuned": tuned} if tuned else {})}
    try:
        model = fit_sums(catalogue, sums, parameters, about, progress)
    except BadInput as error:
        raise NothingToDo(f"Of the data {snapshot.digest} no model is made: {error}.") from None
    progress("describing the users that it learned from")
    return model.telling(audience=describe(_some_histories(snapshot), catalogue, model))


def _known(
    engine: Engine, models: ModelStore, parameters: Parameters, reason: str | None
) -> Callable[[str], str | None]:
    """Finds the candidate of a digest that still waits; NothingToDo where there is one that does not."""

    def find(digest: str) -> str | None:
        named = {"digest": digest, "code": code_version(), "parameters": json.dumps(asdict(parameters))}
        with transaction(engine) as connection:
            rows = connection.execute(_KNOWN, named).all() if reason is None else []
        for row in rows:
            if row.status != "candidate" and not (row.has_files and not _loads(models, row.version)):
                raise NothingToDo(f"These data were learned already: {row.version}, which was {row.status}.")
        waiting = (row.version for row in rows if row.status == "candidate")
        return next((version for version in waiting if _loads(models, version)), None)

    return find


def _loads(models: ModelStore, version: str) -> bool:
    try:
        models.load(version)
    except BadArtifact:
        return False
    return True


def _some_histories(snapshot: Snapshot, most: int = AUDIENCE_USERS) -> Iterator[History]:
    """Of users who are drawn by a hash of their id, in the order of their ids."""
    drawn: list[tuple[str, int]] = []
    for shard in snapshot.shards:
        users = np.unique(snapshot.table(shard_file(shard), ("user_id",))["user_id"].to_numpy())
        drawn = nsmallest(most, chain(drawn, ((_hash(user), user) for user in users.tolist())))
    chosen = np.sort(np.array([user for _, user in drawn], np.int64))
    theirs = [_rows_of(snapshot.ratings(shard_file(shard)), chosen) for shard in snapshot.shards]
    histories = {user: history for some in theirs for user, history in some}
    return (histories[user] for user in chosen.tolist())


def _rows_of(ratings: Ratings, users: NDArray[np.int64]) -> Iterator[tuple[int, History]]:
    """``ratings`` stand by user."""
    own = ratings.take(np.flatnonzero(np.isin(ratings.users, users)))
    starts = np.flatnonzero(np.diff(own.users, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(own)], strict=True):
        rows = slice(start, end)
        yield int(own.users[start]), History.of(own.movie_ids[rows], own.ratings[rows], own.times[rows])


def _hash(user: int) -> str:
    return hashlib.md5(f"audience{user}".encode(), usedforsecurity=False).hexdigest()
