"""python -m tests.chaos.soak --minutes 30: mixed traffic for a long time, and what it leaves behind.

Two processes, 10,000 titles, an open loop at a steady rate: memory, connections and descriptors must stay.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import create_engine, text

from simulator.account import signed_in, split_url
from simulator.bench import Outcome, send_all
from simulator.bench_traffic import MIXED, Traffic
from tests.api.conftest import PASSWORD, Service
from tests.api.throughput import MIB, memory, running
from tests.exposition import value_of

TITLES, PROCESSES = 10_000, 2
USERS = 4_000  # so many that none has much more history at the end, whose requests would need more memory
SLICE_S, SAMPLE_S, MEAN_S = 30.0, 2.0, 60.0  # a slice of traffic has connections of its own
BURST, BURST_S = 4, 90.0  # times the rate, before: pools and allocators get what their busiest minute needs
WARM_UP = 0.2  # of the time: caches fill
FLAT = 4.0  # MiB an hour, of a process
MORE = 2  # descriptors that may be more in the end, of a process, beside those of connections
IDLE_S = 3.0
HELD = {
    "connections": "connections",
    "kept": "connections that the pools may keep",
    "in_use": "of them in use",
    "descriptors": "descriptors",
}
_CONNECTIONS = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'marquee'")


@dataclass
class Samples:
    """Of one process: seconds since the start, and bytes."""

    times: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    pss: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Slope:
    """MiB an hour."""

    value: float
    error: float  # standard error, as if one mean said nothing of the next

    @property
    def flat(self) -> bool:
        return self.value - 2 * self.error <= FLAT


def slope(times: NDArray[np.float64], sizes: NDArray[np.float64]) -> Slope:
    """By least squares through the means of a minute each, whose neighbours know less of each other."""
    every_s = min(MEAN_S, float(np.ptp(times)) / 10)
    minutes = (times // every_s).astype(int)
    kept = np.unique(minutes)
    x = np.array([times[minutes == minute].mean() for minute in kept]) / 3600
    y = np.array([sizes[minutes == minute].mean() for minute in kept]) / MIB
    centred = x - x.mean()
    value = float(centred @ y / (centred @ centred))
    rest = y - y.mean() - value * centred
    return Slope(value, float(np.sqrt(rest @ rest / max(1, len(x) - 2) / (centred @ centred))))


@dataclass(frozen=True, slots=True)
class Held:
    """What processes hold while nobody asks. Pools open connections when they first need them."""

    connections: int  # that Postgres knows
    kept: int  # that the pools may keep
    in_use: int  # taken out of a pool
    descriptors: tuple[int, ...]

    def leaks(self, later: "Held") -> bool:
        opened = max(0, later.connections - self.connections)
        more = sum(later.descriptors) - sum(self.descriptors) - opened
        return later.connections > later.kept or later.in_use > 0 or more > MORE * len(later.descriptors)


def held(services: Sequence[Service]) -> Held:
    time.sleep(IDLE_S)  # for connections that were just closed
    engine = create_engine(services[0].urls.admin)
    with engine.connect() as connection:
        connections = connection.execute(_CONNECTIONS).scalar_one()
    engine.dispose()
    pages = [service.http.get("/metrics").text for service in services]
    kept, in_use = (
        int(sum(value_of(f"marquee_database_pool_{name}", metrics) for metrics in pages))
        for name in ("size", "in_use")
    )
    places = [Path(f"/proc/{service.process.pid}/fd") for service in services]
    return Held(connections, kept, in_use, tuple(len(list(place.iterdir())) for place in places))


@contextmanager
def sampled(services: Sequence[Service]) -> Iterator[list[Samples]]:
    found, stop, began = [Samples() for _ in services], threading.Event(), time.monotonic()

    def sample() -> None:
        while not stop.wait(SAMPLE_S):
            for service, samples in zip(services, found, strict=True):
                now = memory(service, service.models)
                samples.times.append(time.monotonic() - began)
                samples.rss.append(now.rss)
                samples.pss.append(now.pss)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def soak(services: Sequence[Service], seconds: float, rate: float, seed: int) -> dict[str, Any]:
    username = services[0].register()["username"]
    rng = np.random.default_rng(seed)
    outcomes: list[Outcome] = []
    with signed_in(services[0].url, username, PASSWORD) as account:
        traffic = Traffic(account, rng, [split_url(service.url) for service in services[1:]])
        _say(f"{USERS:,} users are added first.")
        traffic.settle(USERS)
        _say(f"A burst of {BURST * rate:g} a second, which may be more than it can take:")
        _drive(traffic, BURST_S, BURST * rate, rng, [])
        before = held(services)
        with sampled(services) as found:
            _drive(traffic, seconds, rate, rng, outcomes)
        after = held(services)
    return _report(found, outcomes, before, after, seconds)


def _drive(
    traffic: Traffic, seconds: float, rate: float, rng: np.random.Generator, outcomes: list[Outcome]
) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        outcomes += asyncio.run(send_all(traffic, min(SLICE_S, left), rate, rng, (MIXED,)))[MIXED]
        answered = sum(isinstance(outcome, float) for outcome in outcomes)
        _say(f"{left:6.0f} s left, {answered:,} answered, {len(outcomes) - answered} not")


def _report(
    found: Sequence[Samples], outcomes: Sequence[Outcome], before: Held, after: Held, seconds: float
) -> dict[str, Any]:
    good = np.array([outcome for outcome in outcomes if isinstance(outcome, float)])
    errors = Counter(outcome for outcome in outcomes if isinstance(outcome, str))
    slopes = [
        {kind: slope(*_warm(s.times, getattr(s, kind), seconds)) for kind in ("rss", "pss")} for s in found
    ]
    flat = all(each.flat for kinds in slopes for each in kinds.values())
    return {
        "good": flat and not errors and not before.leaks(after),
        "held": not before.leaks(after),
        "minutes": seconds / 60,
        "answered": len(good),
        "errors": dict(errors),
        "milliseconds": {f"p{q}": round(1000 * float(np.percentile(good, q)), 1) for q in (50, 95, 99)},
        "slopes": [{kind: asdict(each) for kind, each in kinds.items()} for kinds in slopes],
        "mib": [[round(s.rss[0] / MIB, 1), round(s.rss[-1] / MIB, 1)] for s in found],
        "before": asdict(before),
        "after": asdict(after),
        "samples": [asdict(samples) for samples in found],
    }


def _warm(
    times: Sequence[float], sizes: Sequence[int], seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    when, size = np.array(times), np.array(sizes, np.float64)
    return when[when > WARM_UP * seconds], size[when > WARM_UP * seconds]


def told(report: dict[str, Any]) -> str:
    lines = [
        f"{report['answered']:,} answered in {report['minutes']:g} minutes, errors: {report['errors'] or 0}",
        "  " + ", ".join(f"{name} {value} ms" for name, value in report["milliseconds"].items()),
    ]
    for number, kinds in enumerate(report["slopes"]):
        first, last = report["mib"][number]
        parts = [f"{kind} {s['value']:+.2f} ± {s['error']:.2f}" for kind, s in kinds.items()]
        lines.append(f"process {number}: {', '.join(parts)} MiB an hour; rss from {first} to {last} MiB")
    for name, words in HELD.items():
        lines.append(f"{words}: {report['before'][name]} before, {report['after'][name]} after")
    lines.append("As it should be." if report["good"] else "Not as it should be.")
    return "\n".join(lines)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--titles", type=int, default=TITLES)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="a file for the report as JSON")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # not without ending the API
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-")))
        api = stack.enter_context(running(folder, asked.titles, PROCESSES))
        report = soak(api.services, 60 * asked.minutes, asked.rate, asked.seed)
    _say(told(report))
    if asked.out:
        asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return not report["good"]


if __name__ == "__main__":
    sys.exit(main())
