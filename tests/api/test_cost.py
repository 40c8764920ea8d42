"""What the metrics cost: the same API with and without them, asked in turns, in one run."""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from recommender.local.urls import PerRole
from tests.api.conftest import API, Service, serving

pytestmark = pytest.mark.full
WITHOUT = """
from contextlib import nullcontext
import prometheus_client
import api.app, api.__main__ as api_main
from api.list_metrics import ListMetrics
from sqlalchemy import QueuePool

def nothing(*_, **__):
    pass

api.app.instrument = nothing
api.app.watched_pool = lambda _: QueuePool
for kind, name in [(ListMetrics, "served"), (ListMetrics, "impressed"), (prometheus_client.Counter, "inc")]:
    setattr(kind, name, nothing)
prometheus_client.Histogram.time = lambda _: nullcontext()
api_main.main()
"""
ROUNDS, EACH = 30, 50
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Of one block of requests."""

    wall_s: float
    cpu_s: float


def cpu_s(service: Service) -> float:
    stat = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def block(service: Service, client: httpx.Client, user_id: int) -> Cost:
    cpu, began = cpu_s(service), time.perf_counter()
    for _ in range(EACH):
        answer = client.post("/recommendations", json={"user_id": user_id})
        assert answer.json()["source"] == "model"
    return Cost(time.perf_counter() - began, cpu_s(service) - cpu)


@pytest.fixture
def both(copied: tuple[PerRole[Engine], Path]) -> Iterator[list[Service]]:
    engines, models = copied
    urls = engines.map(lambda engine: engine.url.render_as_string(hide_password=False))
    with ExitStack() as running:
        programs = [API, ("-c", WITHOUT)]
        yield [running.enter_context(serving(urls, models, {}, program)) for program in programs]


def test_metrics_cost_at_most_a_tenth_of_the_throughput(
    both: list[Service], capsys: pytest.CaptureFixture[str]
) -> None:
    """Throughput of a process is bound by its processor time; the time on the wall is said beside it."""
    asking = []
    for service in both:
        client = service.client()
        history = [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Inception (2010)", "rating": 4}]
        user = client.post("/recommendations", json={"history": history}).json()["user_id"]
        asking.append((service, client, user))
    costs = [[block(*asked) for asked in asking] for _ in range(ROUNDS + 1)][1:]  # the first warms up
    cpu = sum(without.cpu_s for _, without in costs) / sum(whole.cpu_s for whole, _ in costs)
    wall = statistics.median(without.wall_s / whole.wall_s for whole, without in costs)
    with capsys.disabled():
        sys.stdout.write(f"with metrics / without: {cpu:.3f} by processor time, {wall:.3f} by the wall\n")
    assert "marquee_impressions_total" in both[0].http.get("/metrics").text
    assert "http_requests_total" not in both[1].http.get("/metrics").text
    assert cpu >= 0.9
