"""Figures that Postgres holds, for /metrics and /ops: read by a thread: nobody waits for the database.

While the database is away the last ones stay, with the time when they were read; a process that has not read
any tells none. Every process tells the same ones: aggregate them with max.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.background import Background
from api.metrics import Metrics
from recommender.database import transaction
from recommender.errors import MarqueeError
from recommender.figures import QUESTIONS, Asking, Sample
from recommender.histories import Rows, read_histories

log = logging.getLogger("marquee.figures")
EVERY_S = 30.0
READ = "marquee_figures_timestamp_seconds", "When the figures that Postgres holds were last read."


@dataclass(frozen=True, slots=True)
class Figures:
    """As of one moment."""

    read_at: float
    samples: Sequence[Sample]
    histories: Mapping[str, Rows | None]

    def value(self, metric: str, *labels: str) -> float | None:
        found = (each.value for each in self.samples if (each.metric, each.labels) == (metric, labels))
        return next(found, None)


class FiguresReader(Collector):
    def __init__(self, engine: Engine, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._clock, self._ask = engine, clock, Asking()
        self._background = Background("figures", EVERY_S, self.read, metrics)
        self.last: Figures | None = None
        self.troubled = False
        metrics.registry.register(self)

    def open(self) -> None:
        self._background.open()

    def close(self) -> None:
        self._background.close()

    def read(self) -> None:
        """Trouble is said once: the database is away, or its schema is older than these figures."""
        try:
            with transaction(self._engine) as connection:
                samples = self._ask(connection)
                self.last = Figures(self._clock(), samples, read_histories(connection))
            self.troubled = False
        except (MarqueeError, SQLAlchemyError) as error:
            if not self.troubled:
                log.warning("the figures cannot be read: %s", str(error).split("\n")[0])
            self.troubled = True

    def collect(self) -> Iterable[Metric]:
        figures = self.last
        if figures is None:
            return
        families = _families()
        for sample in figures.samples:
            families[sample.metric].add_metric(sample.labels, sample.value)
        families[READ[0]].add_metric((), figures.read_at)
        yield from (family for family in families.values() if family.samples)


def _families() -> dict[str, GaugeMetricFamily]:
    told = {
        name: GaugeMetricFamily(name, sentence, labels=question.labels)
        for question in QUESTIONS
        for name, sentence in question.tells.values()
    }
    return told | {READ[0]: GaugeMetricFamily(*READ, labels=())}
