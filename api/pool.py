"""The pool of connections to Postgres, watched: how many are in use, and how long requests wait for one."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, QueuePool
from sqlalchemy.pool import ConnectionPoolEntry

AT_ONCE_S = 0.001  # who gets a connection faster did not wait for one


class PoolMetrics(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._engine: Engine | None = None
        self._others: list[tuple[int, Callable[[], int]]] = []  # how many there are, and are in use
        self.waits = Counter(
            "marquee_database_pool_waits",
            "Times that a connection was waited for, or made.",
            registry=registry,
        )
        self.waited = Counter(
            "marquee_database_pool_wait_seconds", "Seconds of those waits.", registry=registry
        )
        registry.register(self)

    def watch(self, engine: Engine) -> None:
        self._engine = engine

    def also(self, size: int, in_use: Callable[[], int]) -> None:
        """Connections that are kept elsewhere."""
        self._others.append((size, in_use))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            waited = time.perf_counter() - began
            if waited > AT_ONCE_S:
                self.waits.inc()
                self.waited.inc(waited)

    def collect(self) -> Iterable[Metric]:
        pool = self._engine.pool if self._engine else None
        if not isinstance(pool, QueuePool):
            return
        size = pool.size() + sum(size for size, _ in self._others)
        in_use = pool.checkedout() + sum(in_use() for _, in_use in self._others)
        yield GaugeMetricFamily(
            "marquee_database_pool_size", "Connections that this process may keep.", value=size
        )
        yield GaugeMetricFamily("marquee_database_pool_in_use", "Connections in use now.", value=in_use)


def watched_pool(metrics: PoolMetrics) -> type[QueuePool]:
    """A class of its own for each process, because an engine makes its pool anew after a trouble."""

    class Watched(QueuePool):
        def _do_get(self) -> ConnectionPoolEntry:
            with metrics.waiting():
                return super()._do_get()

    return Watched
