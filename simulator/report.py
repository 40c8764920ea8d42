"""The numbers of a measurement: as JSON for machines, and as a verdict."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from simulator.bench import Outcome, Outcomes
from simulator.bench_traffic import MIXED, SCENARIOS
from simulator.saturation import Saturated, Spent

PERCENTILES = (50, 95, 99, 99.9)
NOOP = "noop"
REQUIREMENT = re.compile(r"\s*(\w+)(\.p99)?\s*(<=|>=)\s*(\d+(?:\.\d+)?)\s*")
MEDIAN, TAIL, THROUGHPUT = ("", "<="), (".p99", "<="), ("", ">=")


@dataclass(frozen=True, slots=True)
class Figures:
    requests: int
    reasons: Mapping[str, int]  # why requests failed, and how often
    p50: float  # milliseconds, NaN when nothing was answered
    p95: float
    p99: float
    p999: float

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        taken = [1000 * outcome for outcome in outcomes if isinstance(outcome, float)]
        cuts = np.percentile(taken, PERCENTILES) if taken else [math.nan] * len(PERCENTILES)
        reasons = Counter(outcome for outcome in outcomes if isinstance(outcome, str))
        return cls(len(outcomes), dict(sorted(reasons.items())), *map(float, cuts))

    @property
    def error_share(self) -> float:
        return sum(self.reasons.values()) / self.requests if self.requests else 0.0

    def record(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "errors": dict(self.reasons),
            "error_share": self.error_share,
            "p50_ms": number(self.p50),
            "p95_ms": number(self.p95),
            "p99_ms": number(self.p99),
            "p99_9_ms": number(self.p999),
        }


ByScenario = Mapping[str, Figures]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found; a phase that was left out is empty."""

    service: ByScenario
    loop: ByScenario = field(default_factory=dict)
    saturated: Mapping[str, Saturated] = field(default_factory=dict)
    half: ByScenario = field(default_factory=dict)  # in the open loop at half of the saturation load
    spent: Spent | None = None

    def failed(self, *scenarios: str) -> bool:
        """A failed request is quick, so a scenario with failures has no ratio to speak of."""
        phases = (self.service, self.half)
        ended = any(phase[name].reasons for phase in phases for name in scenarios if name in phase)
        return ended or any(s.answered < len(s.outcomes) for s in map(self.saturated.get, scenarios) if s)


@dataclass(frozen=True, slots=True)
class Requirement:
    """Of the request that does nothing, in the same run: at most so many times its median (stored<=4), or
    its p99 at half load (stored.p99<=5); at least such a part of its throughput (stored>=0.3)."""

    scenario: str
    limit: float
    kind: tuple[str, str] = MEDIAN

    @classmethod
    def parse(cls, text: str) -> Self:
        found = REQUIREMENT.fullmatch(text)
        kind = (found[2] or "", found[3]) if found else MEDIAN
        if not found or found[1] not in (*SCENARIOS, MIXED) or kind not in (MEDIAN, TAIL, THROUGHPUT):
            names = ", ".join((*SCENARIOS, MIXED))
            raise ValueError(
                f"{text!r} is not like 'stored<=4', 'stored>=0.3' or 'stored.p99<=5' (scenarios: {names})"
            )
        return cls(found[1], float(found[4]), kind)

    def met(self, measured: Measured) -> bool:
        found = self.found(measured)
        fits = found >= self.limit if self.kind == THROUGHPUT else found <= self.limit
        return fits and not measured.failed(self.scenario, NOOP)

    def found(self, measured: Measured) -> float:
        """NaN, which meets nothing, where it was not measured."""
        if self.kind == THROUGHPUT:
            return throughput_ratio(measured.saturated, self.scenario)
        if self.kind == TAIL:
            return ratio(measured.half, self.scenario, "p99")
        return ratio(measured.service, self.scenario)

    def verdict(self, measured: Measured) -> str:
        word = "met" if self.met(measured) else "NOT met"
        return f"{self}: {word} ({decimals(self.found(measured))})"

    def __str__(self) -> str:
        return f"{self.scenario}{self.kind[0]} {self.kind[1]} {self.limit:g}"


def figures(outcomes: Outcomes) -> dict[str, Figures]:
    return {scenario: Figures.of(of) for scenario, of in outcomes.items()}


def ratio(by_scenario: ByScenario, scenario: str, cut: str = "p50") -> float:
    if scenario not in by_scenario or NOOP not in by_scenario:
        return math.nan
    return float(getattr(by_scenario[scenario], cut) / getattr(by_scenario[NOOP], cut))


def throughput_ratio(saturated: Mapping[str, Saturated], scenario: str) -> float:
    nothing = saturated[NOOP].rate if NOOP in saturated else 0.0
    return saturated[scenario].rate / nothing if nothing and scenario in saturated else math.nan


def cpu_ratio(saturated: Mapping[str, Saturated], scenario: str) -> float:
    """How many requests that do nothing its processor time is worth."""
    nothing = saturated[NOOP].cpu_ms if NOOP in saturated else None
    own = saturated[scenario].cpu_ms
    return own / nothing if own is not None and nothing else math.nan


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else round(value, 4)


def decimals(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def summary(measured: Measured, requirements: Sequence[Requirement]) -> dict[str, Any]:
    saturated = measured.saturated
    return {
        "service_time": records(measured.service),
        "ratios": {name: number(ratio(measured.service, name)) for name in measured.service},
        "open_loop": records(measured.loop),
        "saturation": {
            name: {
                "requests": len(of.outcomes),
                "a_second": number(of.rate),
                "to_noop": number(throughput_ratio(saturated, name)),
                "cpu_ms": None if of.cpu_ms is None else number(of.cpu_ms),
                "cpu_to_noop": number(cpu_ratio(saturated, name)),
                "busy": None if of.busy is None else number(of.busy),
                "own_cpu_ms": number(of.own_ms),
                "turns": [[round(began, 3), round(ended, 3)] for began, ended in of.turns],
            }
            for name, of in saturated.items()
        },
        "half_load": {
            name: of.record() | {"p99_to_noop": number(ratio(measured.half, name, "p99"))}
            for name, of in measured.half.items()
        },
        "memory_bytes": list(measured.spent.memory) if measured.spent else [],
        "requirements": [
            {"scenario": r.scenario, "kind": "".join(r.kind), "limit": r.limit, "met": r.met(measured)}
            for r in requirements
        ],
    }


def records(by_scenario: ByScenario) -> dict[str, Any]:
    return {name: of.record() for name, of in by_scenario.items()}
