"""Measures a running API beside an authenticated request that does nothing, in the same run."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.bench_traffic import SCENARIOS, Traffic
from simulator.errors import SimulatorError
from simulator.wire import Answer, AsyncLine, Line, LineError, line_error

TIMEOUT = 10.0
WARM_UP = 20  # rounds
CONNECTIONS = 64
# The event loop wakes up to a millisecond late; a sender that is on time waits the last bit awake.
AWAKE = 0.0015

Outcome = float | str  # seconds, or why there is no good answer
Outcomes = dict[str, list[Outcome]]


def service_time(traffic: Traffic, seconds: float, rng: np.random.Generator) -> Outcomes:
    """One connection, one request at a time; every round asks each scenario once, in an order of its own."""
    line = Line(traffic.url, TIMEOUT)
    outcomes: Outcomes = {scenario: [] for scenario in SCENARIOS}
    try:
        for _ in range(WARM_UP):
            for scenario in shuffled(rng):
                must_work(scenario, timed(line, traffic, scenario))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for scenario in shuffled(rng):
                outcomes[scenario].append(timed(line, traffic, scenario))
    finally:
        line.close()
    return outcomes


def shuffled(rng: np.random.Generator) -> Iterator[str]:
    return (SCENARIOS[index] for index in rng.permutation(len(SCENARIOS)))


def must_work(scenario: str, outcome: Outcome) -> None:
    if isinstance(outcome, str):
        raise SimulatorError(f"The request of the scenario {scenario} fails: {outcome}.")


def timed(line: Line, traffic: Traffic, scenario: str) -> Outcome:
    """Send and receive only: the request is made and the connection opened before, the answer read after."""
    content = traffic.content(scenario)
    traffic.asks(scenario)
    try:
        line.open()
        start = time.perf_counter()
        answer = line.ask(content)
        taken = time.perf_counter() - start
    except (OSError, LineError) as error:
        return str(line_error(error))
    traffic.answered(scenario, answer)
    return judged(answer, taken)


def judged(answer: Answer, taken: float) -> Outcome:
    return taken if 200 <= answer.status < 300 else f"status {answer.status}"


def open_loop(
    traffic: Traffic,
    seconds: float,
    rate: float,
    rng: np.random.Generator,
    scenarios: Sequence[str] = SCENARIOS,
) -> Outcomes:
    return asyncio.run(send_all(traffic, seconds, rate, rng, scenarios))


async def send_all(
    traffic: Traffic,
    seconds: float,
    rate: float,
    rng: np.random.Generator,
    scenarios: Sequence[str] = SCENARIOS,
) -> Outcomes:
    """Requests leave by the schedule, however slow the answers are; each is timed from when it was due."""
    lines: asyncio.LifoQueue[AsyncLine] = asyncio.LifoQueue()
    for line in opened_lines(traffic, CONNECTIONS):
        lines.put_nowait(line)
    outcomes: Outcomes = {scenario: [] for scenario in scenarios}

    async def send(due: float, planned: Planned) -> None:
        outcome = await sent(lines, traffic, planned.kind, planned.content, due)
        outcomes[planned.scenario].append(outcome)

    plan = planned(traffic, schedule(seconds, rate, rng), rng, scenarios)
    start = asyncio.get_running_loop().time() + 0.1
    async with asyncio.TaskGroup() as sending:
        for question in plan:
            await moment(start + question.after)
            sending.create_task(send(start + question.after, question))
    while not lines.empty():
        lines.get_nowait().close()
    return outcomes


def opened_lines(traffic: Traffic, connections: int) -> list[AsyncLine]:
    """As many to each process that is measured."""
    return [AsyncLine(traffic.urls[number % len(traffic.urls)]) for number in range(connections)]


@dataclass(frozen=True, slots=True)
class Planned:
    after: float  # seconds
    scenario: str
    kind: str  # what is asked for: of mixed traffic one of the others
    content: bytes


def schedule(seconds: float, rate: float, rng: np.random.Generator) -> list[float]:
    """Poisson arrivals: seconds after the start."""
    return sorted(rng.uniform(0, seconds, size=rng.poisson(rate * seconds)).tolist())


def planned(
    traffic: Traffic, times: list[float], rng: np.random.Generator, scenarios: Sequence[str]
) -> list[Planned]:
    """All of it made beforehand: while a request is being made, no other one is sent or received."""
    drawn = [scenarios[index] for index in rng.integers(len(scenarios), size=len(times))]
    kinds = [traffic.drawn(scenario) for scenario in drawn]
    return [
        Planned(after, scenario, kind, traffic.content(kind))
        for after, scenario, kind in zip(times, drawn, kinds, strict=True)
    ]


async def moment(when: float) -> None:
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(max(0.0, when - clock() - AWAKE))
    while clock() < when:
        await asyncio.sleep(0)


async def sent(
    lines: asyncio.LifoQueue[AsyncLine], traffic: Traffic, scenario: str, content: bytes, due: float
) -> Outcome:
    line: AsyncLine | None = None
    try:
        async with asyncio.timeout_at(due + TIMEOUT):
            line = await lines.get()
            traffic.asks(scenario)
            answer = await line.ask(content)
    except (OSError, LineError) as error:
        return str(line_error(error))
    finally:
        if line:
            lines.put_nowait(line)
    taken = asyncio.get_running_loop().time() - due
    traffic.answered(scenario, answer)
    return judged(answer, taken)
