"""How long the files of a day are kept after they were loaded. What came in belongs to whoever sent it."""

from datetime import date

from sqlalchemy import Engine, select

from recommender.database import transaction
from recommender.days import PROCESSED, RATINGS, RAW, REPLAY, is_day, parse_day
from recommender.files import Store
from recommender.manifests import read_manifest
from recommender.tables import injections


def drop_old_days(engine: Engine, data: Store, before: date) -> list[str]:
    """Batches of earlier days that are loaded lose `raw` and `processed`; which they were."""
    loaded = _loaded(engine)
    old = [batch for batch in data.names(RAW) if _is_before(batch, before) and _is_in(data, batch, loaded)]
    for batch in old:
        data.delete(f"{RAW}/{batch}")
        data.delete(f"{PROCESSED}/{batch}")
    return old


def _is_before(batch: str, day: date) -> bool:
    name = batch.removesuffix(REPLAY)
    return is_day(name) and parse_day(name) < day


def _is_in(data: Store, batch: str, loaded: set[str]) -> bool:
    """Every client's file, but for clients whom nobody registered."""
    manifest = read_manifest(data, f"{PROCESSED}/{batch}")
    if manifest is None:
        return False
    wanted = set(manifest.about["clients"]) - set(manifest.about["unknown_clients"])
    return {f"{batch}/{client}/{RATINGS}" for client in wanted} <= loaded


def _loaded(engine: Engine) -> set[str]:
    whole = select(injections.c.file).where(injections.c.finished_at.is_not(None))
    with transaction(engine) as connection:
        return set(connection.scalars(whole))
