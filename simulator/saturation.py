"""How much a running API can take: each scenario as fast as it is answered, and then at half of that.

As fast as it is answered is a closed loop: a connection asks again when it has its answer, so that what is
asked for never piles up. Latency is of the open loop at half that rate, timed from when each was due.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import SplitResult

import numpy as np

from simulator.bench import Outcome, judged, opened_lines
from simulator.bench_traffic import Traffic
from simulator.wire import Line, LineError, line_error, request

SLICES = 3  # of each scenario, in turns: a neighbour that comes and goes meets all of them
QUESTIONS = 200  # made beforehand, and asked again and again
LONGEST = 10.0
CPU = re.compile(r"^process_cpu_seconds_total (\S+)", re.MULTILINE)
MEMORY = re.compile(r"^process_resident_memory_bytes (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Spent:
    """By the API's processes since they started, as their /metrics say; None where they do not."""

    cpu_s: float | None
    memory: tuple[int, ...]  # bytes of each process


@dataclass(frozen=True, slots=True)
class Turn:
    outcomes: Sequence[Outcome]
    began: float
    seconds: float
    own_s: float


@dataclass(slots=True)
class Saturated:
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float | None = 0.0
    own_s: float = 0.0  # processor time of this process
    turns: list[tuple[float, float]] = field(default_factory=list)  # from when to when, in unix seconds

    @property
    def answered(self) -> int:
        return sum(isinstance(outcome, float) for outcome in self.outcomes)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def cpu_ms(self) -> float | None:
        """Processor time of the API for one request."""
        return None if self.cpu_s is None or not self.outcomes else 1000 * self.cpu_s / len(self.outcomes)

    @property
    def own_ms(self) -> float:
        """Of this process, for one request."""
        return 1000 * self.own_s / max(1, len(self.outcomes))

    @property
    def busy(self) -> float | None:
        """Processors that the API kept busy: about 1 for each process is all that it can."""
        return None if self.cpu_s is None or not self.seconds else self.cpu_s / self.seconds

    def add(self, turn: Turn, before: Spent, after: Spent) -> None:
        self.outcomes += turn.outcomes
        self.seconds += turn.seconds
        self.own_s += turn.own_s
        self.turns.append((turn.began, turn.began + turn.seconds))
        known = None not in (self.cpu_s, before.cpu_s, after.cpu_s)
        self.cpu_s = self.cpu_s + after.cpu_s - before.cpu_s if known else None  # type: ignore[operator]


def saturate(
    traffic: Traffic,
    scenarios: Sequence[str],
    seconds: float,
    connections: int,
    rng: np.random.Generator,
    turned: Callable[[], object] = lambda: None,
) -> dict[str, Saturated]:
    found = {scenario: Saturated() for scenario in scenarios}
    for scenario in scenarios:  # its memory and its plans are warm from here on
        asyncio.run(closed_loop(traffic, scenario, seconds / SLICES, connections))
    for _ in range(SLICES):
        for index in rng.permutation(len(scenarios)):
            scenario = scenarios[index]
            before = spent(traffic.urls)
            turn = timed_turn(traffic, scenario, seconds / SLICES, connections)
            found[scenario].add(turn, before, spent(traffic.urls))
            turned()
    return found


def timed_turn(traffic: Traffic, scenario: str, seconds: float, connections: int) -> Turn:
    moment, began, own = time.time(), time.perf_counter(), time.process_time()
    outcomes = asyncio.run(closed_loop(traffic, scenario, seconds, connections))
    return Turn(outcomes, moment, time.perf_counter() - began, time.process_time() - own)


async def closed_loop(traffic: Traffic, scenario: str, seconds: float, connections: int) -> list[Outcome]:
    kinds = [traffic.drawn(scenario) for _ in range(QUESTIONS)]
    questions = cycle([(kind, traffic.content(kind)) for kind in kinds])
    clock, outcomes = asyncio.get_running_loop().time, list[Outcome]()
    lines, end = opened_lines(traffic, connections), clock() + seconds

    async def ask_on(number: int) -> None:
        while clock() < end:
            kind, content = next(questions)
            outcomes.append(await asked(number, kind, content))

    async def asked(number: int, kind: str, content: bytes) -> Outcome:
        traffic.asks(kind)
        began = clock()
        try:
            async with asyncio.timeout(LONGEST):
                answer = await lines[number].ask(content)
        except (OSError, LineError) as error:
            return str(line_error(error))
        traffic.answered(kind, answer)
        return judged(answer, clock() - began)

    await asyncio.gather(*(ask_on(number) for number in range(connections)))
    for line in lines:
        line.close()
    return outcomes


def spent(urls: Sequence[SplitResult]) -> Spent:
    pages = [_metrics(url) for url in urls]
    cpu = [CPU.search(page) for page in pages]
    memory = [MEMORY.search(page) for page in pages]
    return Spent(
        sum(float(found[1]) for found in cpu if found) if all(cpu) else None,
        tuple(int(float(found[1])) for found in memory if found),
    )


def _metrics(url: SplitResult) -> str:
    """Empty where they are for others, or not there at all."""
    line = Line(url, LONGEST)
    try:
        answer = line.ask(request(url, "", "GET", "/metrics"))
    except LineError:
        return ""
    finally:
        line.close()
    return answer.body.decode(errors="replace") if answer.status == 200 else ""
