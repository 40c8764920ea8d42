"""What this process answered in the last hour: its own counters, every ten seconds, in a ring."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client.samples import Sample as Counted

from api.background import Background
from api.http_metrics import BUCKETS
from api.list_metrics import REASONS, SOURCES
from api.metrics import Metrics

EVERY_S = 10.0
KEPT = 361  # samples: an hour of them
MINUTE_S = 60
SLOW_S = 0.25  # the bound of the objective
# Nobody waits for these, or they take long by design: dashboards/rules/slo.yaml leaves them out too.
UNAWAITED = r"none|/ops.*|/token|/create-client|/ratings|/recommendations/batch|.*/export"
ANSWERS = ("well", "refused", "failed")
EDGES = (*BUCKETS, float("inf"))
TROUBLE = {
    "marquee_served_log_dropped_total": "log_lost",
    "marquee_background_failures_total": "background_failures",
}
COLUMNS = {
    name: place for place, name in enumerate((*ANSWERS, *SOURCES, *REASONS, *TROUBLE.values(), *EDGES))
}
READ = (
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "marquee_recommendations_total",
    "marquee_fallbacks_total",
    *TROUBLE,
)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
Row = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters since the process started, in the order of COLUMNS."""

    at: float
    counts: Row


class Traffic:
    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._registry, self._clock = metrics.registry, clock
        self._background = Background("traffic", EVERY_S, self.sample, metrics)
        self._samples = deque[Sample](maxlen=KEPT)

    def open(self) -> None:
        self._background.open()

    def close(self) -> None:
        self._background.close()

    def sample(self) -> None:
        counts = np.zeros(len(COLUMNS))
        families = self._registry.restricted_registry(READ).collect()
        for counted in (sample for family in families for sample in family.samples):
            if (column := _column(counted)) is not None:
                counts[COLUMNS[column]] += counted.value
        self._samples.append(Sample(self._clock(), counts))

    def told(self) -> dict[str, Any] | None:
        """The whole time that is kept, and minute by minute; None before there is any."""
        samples = list(self._samples)
        if not samples:
            return None
        first, last = samples[0], samples[-1]
        minutes = [_between(*pair) for pair in pairwise(_ends_of_minutes(samples))]
        return {
            "since": first.at,
            "until": last.at,
            "whole": _between(first, last),
            "minutes": {name: [minute[name] for minute in minutes] for name in _between(first, first)},
        }


def _column(counted: Counted) -> str | float | None:
    labels = counted.labels
    if counted.name in TROUBLE:
        return TROUBLE[counted.name]
    if "le" in labels:
        return None if re.fullmatch(UNAWAITED, labels["handler"]) else float(labels["le"])
    if "status" in labels:
        return {"4": "refused", "5": "failed"}.get(labels["status"][0], "well")
    return labels.get("source") or labels["reason"]


def _ends_of_minutes(samples: Sequence[Sample]) -> Iterator[Sample]:
    """With the first of all, so that the minute that it is in is told too."""
    yield samples[0]
    yield from {sample.at // MINUTE_S: sample for sample in samples[1:]}.values()


def _between(before: Sample, after: Sample) -> Mapping[str, float | None]:
    grown = after.counts - before.counts
    named = {name: float(grown[place]) for name, place in COLUMNS.items() if isinstance(name, str)}
    within = grown[COLUMNS[EDGES[0]] :]
    slow = float(within[-1] - grown[COLUMNS[SLOW_S]])
    quantiles = {name: quantile(share, within) for name, share in QUANTILES.items()}
    requests = sum(named[name] for name in ANSWERS)
    span = {"at": after.at, "seconds": after.at - before.at, "all": requests}
    return {**span, **named, "awaited": float(within[-1]), "slow": slow, **quantiles}


def quantile(share: float, within: Row) -> float | None:
    """Seconds, even within a bucket as Prometheus has it; the last edge stands for all that took longer."""
    if not within[-1]:
        return None
    rank = share * within[-1]
    place = int(np.searchsorted(within, rank))
    if place == len(EDGES) - 1:
        return EDGES[-2]
    below, start = (within[place - 1], EDGES[place - 1]) if place else (0.0, 0.0)
    return float(start + (EDGES[place] - start) * (rank - below) / (within[place] - below))
