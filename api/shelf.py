"""What this process recommends from: one reference to a ranker, replaced while requests run.

A background thread asks the registry every few seconds. A request keeps the ranker that it started with.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from api.background import Background
from api.metrics import Metrics
from api.standing import Standing
from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.errors import Away, BadArtifact, Busy, Failed, MarqueeError
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.ranking import Ranker
from recommender.registry import ServingState, serving_state

log = logging.getLogger("marquee.shelf")
POLL_S = 3.0
PATIENCE_S = 10.0  # until a process listens though its first look is not finished
AGAIN_S = 60.0  # until a champion that could not be loaded is tried again
SCHEMA = "0002"  # the migration that this code needs
_SCHEMA = text("SELECT version_num FROM alembic_version")


@dataclass(frozen=True, slots=True)
class Stock:
    """One state of the world: a catalogue and the champion that ranks it."""

    ranker: Ranker
    revision: int

    @property
    def catalogue(self) -> Catalogue:
        return self.ranker.catalogue

    @property
    def version(self) -> str | None:
        return self.ranker.model.version if self.ranker.model else None


class Shelf:
    def __init__(
        self,
        engine: Engine,
        models: ModelStore,
        metrics: Metrics,
        standing: Standing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._models, self._metrics, self._clock = engine, models, metrics, clock
        self._standing = standing
        self._background = Background("shelf", POLL_S, self.look, metrics)
        self._refused: str | None = None  # a version that could not be loaded, so that it is said once
        self._again_at = 0.0
        self._troubled = False
        self._looked = threading.Event()
        self.stock = Stock(Ranker(Catalogue([]), None), revision=-1)
        self.wanted: str | None = None  # the champion of the registry when it was last read
        self.schema: str | None = None  # when last seen
        self.database_away = True

    def open(self) -> None:
        """Waits for the first look, but not for a bucket that does not answer."""
        self._background.open()
        self._looked.wait(PATIENCE_S)

    def close(self) -> None:
        self._background.close()

    def is_champion(self, version: str | None) -> bool:
        """Whether a list of this version is the registry's champion's."""
        return version is not None and version == self.wanted

    @property
    def schema_ok(self) -> bool:
        return (self.schema or "") >= SCHEMA  # an older code runs on a newer schema

    def look(self) -> None:
        """Take over what the registry says. Trouble is said and counted; the stock stays."""
        try:
            self._refresh()
        except (MarqueeError, SQLAlchemyError) as error:
            if not self._troubled:
                log.warning("the registry cannot be read: %s", str(error).split("\n")[0])
            self._troubled = True
            if not isinstance(error, Busy):  # which says nothing of the database
                self.database_away = isinstance(error, Away)  # else it answered: the schema does not fit
        finally:
            self._tell()
            self._looked.set()

    def _refresh(self) -> None:
        with transaction(self._engine) as connection:
            self.schema = connection.execute(_SCHEMA).scalar_one()
            state = serving_state(connection)
            fresh = state.catalogue_revision != self.stock.revision
            catalogue = self._read_catalogue(connection) if fresh else self.stock.catalogue
        self.wanted, self.database_away, self._troubled = state.champion, False, False
        if fresh:  # before a new champion is loaded, which may take long or fail
            self._take(Stock(Ranker(catalogue, self.stock.ranker.model), state.catalogue_revision))
        model = self._champion(state)
        if model is not self.stock.ranker.model:
            self._take(Stock(Ranker(catalogue, model), state.catalogue_revision))

    def _take(self, stock: Stock) -> None:
        self.stock = stock
        log.info("serving %d movies with model %s", len(stock.catalogue), stock.version or "none")
        self._metrics.serve(stock.version)
        self._tell()
        _spare_what_stays()

    def _tell(self) -> None:
        if self.schema_ok and len(self.stock.catalogue):
            self._standing.is_ready()
        self._metrics.database_up.set(not self.database_away)
        self._metrics.schema_ok.set(self.schema_ok)
        self._metrics.model_loaded.set(self.stock.version is not None)
        self._metrics.movies.set(len(self.stock.catalogue))

    @staticmethod
    def _read_catalogue(connection: Connection) -> Catalogue:
        connection.execute(text("SET LOCAL statement_timeout = '60s'"))  # a request has less
        return read_catalogue(connection)

    def _champion(self, state: ServingState) -> Model | None:
        current = self.stock.ranker.model
        if state.champion is None or state.champion == self.stock.version:
            return current
        if state.champion == self._refused and self._clock() < self._again_at:
            return current
        try:
            return self._models.load(state.champion)
        except (BadArtifact, Failed) as error:
            self._refuse(state.champion, error)
            return current

    def _refuse(self, version: str, error: MarqueeError) -> None:
        """Each try is counted and the first is said: the folder may only be late, as on a network."""
        if version != self._refused:
            log.error("model %s is refused, %s goes on serving: %s", version, self.stock.version, error)
        self._metrics.load_failures.inc()
        self._refused, self._again_at = version, self._clock() + AGAIN_S


def _spare_what_stays() -> None:
    """Every request waits for a full search for garbage: after this one they leave out what is there."""
    gc.unfreeze()  # a request that failed during the load before may have held what is replaced
    gc.collect()
    gc.freeze()
