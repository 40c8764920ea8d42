"""The numbers of a measurement: as a table for people, as JSON for machines, and as a verdict."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from simulator.bench import Outcome, Outcomes
from simulator.traffic import SCENARIOS

PERCENTILES = (50, 95, 99)
REQUIREMENT = re.compile(r"\s*(\w+)\s*<=\s*(\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Figures:
    requests: int
    reasons: Mapping[str, int]  # why requests failed, and how often
    p50: float  # milliseconds, NaN when nothing was answered
    p95: float
    p99: float

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
        }


@dataclass(frozen=True, slots=True)
class Requirement:
    """A scenario's median takes at most `limit` times the median of the request that does nothing."""

    scenario: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Self:
        found = REQUIREMENT.fullmatch(text)
        if not found or found[1] not in SCENARIOS:
            raise ValueError(f"{text!r} is not like 'stored<=4' (scenarios: {', '.join(SCENARIOS)})")
        return cls(found[1], float(found[2]))

    def met(self, service: Mapping[str, Figures]) -> bool:
        """A failed request is quick, so a scenario with failures has no ratio to speak of."""
        failed = service[self.scenario].reasons or service["noop"].reasons
        return not failed and ratio(service, self.scenario) <= self.limit

    def verdict(self, service: Mapping[str, Figures]) -> str:
        word = "met" if self.met(service) else "NOT met"
        return f"{self.scenario} <= {self.limit:g}: {word} ({decimals(ratio(service, self.scenario))})"


def figures(outcomes: Outcomes) -> dict[str, Figures]:
    return {scenario: Figures.of(outcomes[scenario]) for scenario in SCENARIOS}


def ratio(service: Mapping[str, Figures], scenario: str) -> float:
    return service[scenario].p50 / service["noop"].p50


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else round(value, 4)


def service_table(service: Mapping[str, Figures]) -> str:
    rows = [[*cells(name, of), decimals(ratio(service, name))] for name, of in service.items()]
    return aligned([[*HEAD, "p50/noop"], *rows]) + failures(service)


def open_loop_table(loop: Mapping[str, Figures]) -> str:
    return aligned([HEAD, *(cells(name, of) for name, of in loop.items())]) + failures(loop)


HEAD = ["scenario", "requests", "errors", "p50 ms", "p95 ms", "p99 ms"]


def cells(name: str, of: Figures) -> list[str]:
    return [
        name,
        f"{of.requests:,}",
        f"{of.error_share:.1%}",
        *map(decimals, (of.p50, of.p95, of.p99)),
    ]


def decimals(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def failures(by_scenario: Mapping[str, Figures]) -> str:
    return "".join(
        f"\n{name}: {', '.join(f'{count:,} x {reason}' for reason, count in of.reasons.items())}"
        for name, of in by_scenario.items()
        if of.reasons
    )


def records(by_scenario: Mapping[str, Figures]) -> dict[str, Any]:
    return {name: of.record() for name, of in by_scenario.items()}
