"""Every user's taste in the champion's space and profile of genres, where the stored ones are stale."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sqlalchemy import Connection, Engine

from recommender.bulk import copy_arrays, copy_rows, run
from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.errors import Failed, NothingToDo
from recommender.folding import Ints, Single, genre_shares, tastes
from recommender.learning.cohorts import AT_ONCE, Cohort, read_cohort
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.progress import Progress
from recommender.registry import serving_state
from recommender.unloading import read_out

_DIGITS = 4


def refold(engine: Engine, models: ModelStore, progress: Progress) -> int:
    """How many users it wrote. What was written stays when it breaks off: the next run goes on from there."""
    with transaction(engine) as connection:
        champion = serving_state(connection).champion
        if champion is None:
            raise NothingToDo("No model is published yet, so there is no space to fold users into.")
        catalogue = read_catalogue(connection)
        stale = run(connection, _COUNT, version=champion)
    model = models.load(champion)
    folded = looked = 0
    for users, changed in _in_turn(engine, champion):
        with transaction(engine) as connection:
            folded += _fold(connection, catalogue, model, users, changed)
        looked += len(changed)
        progress("folding users", looked, max(stale, looked))
    return folded


def _in_turn(engine: Engine, version: str) -> Iterator[tuple[Cohort, Ints]]:
    """Users by their ids; the next are read while those before them are folded."""
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(_read, engine, version, 0)
        while len((found := reading.result())[1]):
            reading = reader.submit(_read, engine, version, int(found[0].user_ids[-1]))
            yield found


def _read(engine: Engine, version: str, last: int) -> tuple[Cohort, Ints]:
    """When each was changed is read before the ratings, so that a change between the two is seen."""
    with transaction(engine) as connection:
        asked = {"last": last, "version": version, "limit": AT_ONCE}
        rows = read_out(connection, _NEXT, asked, {"user": "i8", "changed": "i8"})
        return read_cohort(connection, rows["user"]), rows["changed"]


_STALE = "(space IS DISTINCT FROM :version OR profiled_at IS DISTINCT FROM updated_at)"
_COUNT = f"SELECT count(*) FROM users WHERE {_STALE}"
_NEXT = f"""
    SELECT user_id, updated_at FROM users WHERE user_id > :last AND {_STALE}
    ORDER BY user_id LIMIT :limit
"""


_STAGED = """
    CREATE TEMPORARY TABLE folded (user_id bigint, changed timestamptz, taste vector) ON COMMIT DROP;
    CREATE TEMPORARY TABLE profiled (user_id bigint, profile jsonb) ON COMMIT DROP
"""
# Who changed since, or is locked, is folded when next met.
_WRITTEN = """
    WITH fresh AS (
        SELECT u.user_id, f.taste, p.profile
        FROM folded f JOIN profiled p USING (user_id)
        JOIN users u ON u.user_id = f.user_id AND u.updated_at = f.changed
        ORDER BY u.user_id FOR NO KEY UPDATE OF u SKIP LOCKED
    )
    UPDATE users u SET taste = fresh.taste, space = :version, genre_profile = fresh.profile,
        profiled_at = u.updated_at
    FROM fresh WHERE u.user_id = fresh.user_id
"""


def _fold(connection: Connection, catalogue: Catalogue, model: Model, users: Cohort, changed: Ints) -> int:
    if serving_state(connection).champion != model.version:
        raise Failed("Another model was published while users were folded. Run refold again.")
    run(connection, _STAGED)
    vectors = tastes(model, users.histories, users.wishes).vectors
    copy_arrays(connection, "folded", {"user_id": users.user_ids, "changed": changed, "taste": vectors})
    profiles = _profiles(catalogue, genre_shares(catalogue, users.histories))
    rows = zip(users.user_ids.tolist(), profiles, strict=True)
    copy_rows(connection, "profiled", "user_id, profile", rows)
    return run(connection, _WRITTEN, version=model.version)


def _profiles(catalogue: Catalogue, shares: Single) -> Iterator[str]:
    """Genres of no share are left out."""
    names = [json.dumps(genre) for genre in catalogue.genres]
    for row in shares.astype(np.float64).round(_DIGITS).tolist():
        named = zip(names, row, strict=True)
        yield "{" + ", ".join([f"{name}: {share}" for name, share in named if share]) + "}"
