"""What this process recommends from: one reference to a ranker, replaced while requests run.

A background thread asks the registry every few seconds. A request keeps the ranker that it started with.
"""

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from api.metrics import Metrics
from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.errors import BadArtifact, MarqueeError
from recommender.model import Model
from recommender.movies import read_catalogue
from recommender.ranking import Ranker
from recommender.registry import ServingState, serving_state

log = logging.getLogger("marquee.shelf")
POLL_S = 3.0


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
    def __init__(self, engine: Engine, models: Path, metrics: Metrics) -> None:
        self._engine, self._models, self._metrics = engine, models, metrics
        self._refused: str | None = None  # a version that could not be loaded, so that it is said once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="shelf", daemon=True)
        self.stock = Stock(Ranker(Catalogue([]), None), revision=-1)
        self.schema: str | None = None
        self.database_seen: float | None = None  # monotonic; None until the first answer
        self.database_away = True

    def open(self) -> None:
        self.look()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            self.look()

    def look(self) -> None:
        """Take over what the registry says. Trouble is said and counted; the stock stays."""
        try:
            self._refresh()
        except (MarqueeError, SQLAlchemyError) as error:
            if not self.database_away:
                log.warning("the registry cannot be read: %s", error)
            self.database_away = True

    def _refresh(self) -> None:
        with transaction(self._engine) as connection:
            state = serving_state(connection)
            fresh = state.catalogue_revision != self.stock.revision
            catalogue = self._read_catalogue(connection) if fresh else self.stock.catalogue
        self.schema, self.database_seen, self.database_away = state.schema, time.monotonic(), False
        model = self._champion(state)
        if fresh or model is not self.stock.ranker.model:
            self.stock = Stock(Ranker(catalogue, model), state.catalogue_revision)
            log.info("serving %d movies with model %s", len(catalogue), self.stock.version or "none")
            self._metrics.serve(self.stock.version)

    @staticmethod
    def _read_catalogue(connection: Connection) -> Catalogue:
        connection.execute(text("SET LOCAL statement_timeout = '60s'"))  # a request has less
        return read_catalogue(connection)

    def _champion(self, state: ServingState) -> Model | None:
        current = self.stock.ranker.model
        if state.champion is None or state.champion in (self.stock.version, self._refused):
            return current
        try:
            return Model.load(self._models / state.champion, state.champion)
        except BadArtifact as error:
            log.error(
                "model %s is refused, %s goes on serving: %s", state.champion, self.stock.version, error
            )
            self._metrics.load_failures.inc()
            self._refused = state.champion
            return current
