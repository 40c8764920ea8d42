"""The last hour of one process: what its ring of samples holds, and what it says of them."""

import tracemalloc
from itertools import count
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI, HTTPException

from api.metrics import Metrics, instrument
from api.traffic import EDGES, EVERY_S, KEPT, Traffic, quantile
from tests.api.test_ops_access import ask

BEGAN = 1_800_000_000.0  # a whole minute


@pytest.fixture
def traffic(metrics: Metrics) -> Traffic:
    moments = count(BEGAN, EVERY_S)
    return Traffic(metrics, lambda: next(moments))


@pytest.fixture
def app(metrics: Metrics) -> FastAPI:
    app = FastAPI()

    @app.get("/answers/{status}")
    async def answers(status: int) -> None:
        if status >= 400:
            raise HTTPException(status)

    @app.get("/token")
    @app.get("/ratings")
    async def unawaited() -> None: ...

    instrument(app, metrics)
    return app


def whole(traffic: Traffic) -> Any:
    told = traffic.told()
    assert told is not None
    return told["whole"]


def test_before_the_first_sample_nothing_is_told(traffic: Traffic) -> None:
    assert traffic.told() is None


def test_answers_are_counted_by_how_they_went(traffic: Traffic, app: FastAPI) -> None:
    traffic.sample()
    for status in (200, 200, 404, 422, 503):
        ask(app, f"/answers/{status}")
    traffic.sample()
    found = whole(traffic)
    assert [found[name] for name in ("all", "well", "refused", "failed")] == [5, 2, 2, 1]
    assert 0 < found["p50"] <= found["p95"] <= found["p99"] <= EDGES[-2]


def test_what_nobody_waits_for_has_no_part_in_the_times(traffic: Traffic, app: FastAPI) -> None:
    traffic.sample()
    for path in ("/answers/200", "/token", "/ratings", "/nowhere"):
        ask(app, path)
    traffic.sample()
    assert (whole(traffic)["all"], whole(traffic)["awaited"]) == (4, 1)


def test_trouble_is_of_the_hour_and_not_since_the_start(traffic: Traffic, metrics: Metrics) -> None:
    metrics.log_dropped.inc(5)
    traffic.sample()
    metrics.log_dropped.inc(7)
    metrics.background_failures.labels(thread="shelf").inc()
    metrics.background_failures.labels(thread="served").inc()
    traffic.sample()
    assert (whole(traffic)["log_lost"], whole(traffic)["background_failures"]) == (7, 2)


def test_lists_are_counted_by_source_and_fallbacks_by_reason(traffic: Traffic, metrics: Metrics) -> None:
    traffic.sample()
    for source in ("model", "model", "popular"):
        metrics.lists.served(source, [], 9)
    metrics.lists.fell_back("database_away")
    traffic.sample()
    found = whole(traffic)
    assert [found[name] for name in ("model", "preferences", "popular")] == [2, 0, 1]
    assert [found[name] for name in ("database_away", "no_model", "no_history")] == [1, 0, 0]


def test_what_was_before_the_first_sample_is_not_of_the_hour(traffic: Traffic, app: FastAPI) -> None:
    ask(app, "/answers/500")
    traffic.sample()
    traffic.sample()
    assert (whole(traffic)["failed"], whole(traffic)["p99"]) == (0, None)


def test_each_minute_has_what_was_in_it(traffic: Traffic, app: FastAPI) -> None:
    for minute in range(3):
        for _ in range(6):
            traffic.sample()
        for _ in range(minute):
            ask(app, "/answers/200")
    traffic.sample()
    told = traffic.told()
    assert told is not None
    assert told["minutes"]["all"] == [0, 0, 1, 2]
    assert sum(told["minutes"]["seconds"]) == told["until"] - told["since"] == 18 * EVERY_S


def test_the_ring_holds_an_hour_and_its_memory_stays_as_it_is(traffic: Traffic, app: FastAPI) -> None:
    ask(app, "/answers/200")
    for _ in range(KEPT):
        traffic.sample()
    tracemalloc.start()
    try:
        traffic.sample()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2 * KEPT):
            traffic.sample()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    told = traffic.told()
    assert told is not None
    assert told["until"] - told["since"] == (KEPT - 1) * EVERY_S == 3600
    assert len(told["minutes"]["at"]) <= 61
    assert after - before < KEPT * 600  # what was made before tracing began went for it


def within(*counts: float) -> Any:
    """How many took at most as long as each edge, of so many between two of them."""
    return np.cumsum([*counts, *[0] * (len(EDGES) - len(counts))]).astype(float)


@pytest.mark.parametrize(
    ("share", "found", "seconds"),
    [
        (0.5, within(10), 0.0025),
        (1.0, within(10), 0.005),
        (0.5, within(0, 10), 0.0075),
        (0.75, within(10, 10), 0.0075),
        (0.5, within(0, 0, 0, 0, 0, 4), 0.175),
        (0.99, within(*[0] * 9, 5), 2.5),
        (0.5, within(), None),
    ],
)
def test_a_quantile_lies_evenly_within_its_bucket(share: float, found: Any, seconds: float | None) -> None:
    assert quantile(share, found) == (None if seconds is None else pytest.approx(seconds))
