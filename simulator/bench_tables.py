"""The numbers of a measurement as tables for people."""

import math
from collections.abc import Mapping, Sequence

from simulator.report import ByScenario, Figures, cpu_ratio, decimals, ratio, throughput_ratio
from simulator.saturation import Saturated, Spent

HEAD = ["scenario", "requests", "errors", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms"]


def service_table(service: ByScenario) -> str:
    rows = [[*cells(name, of), decimals(ratio(service, name))] for name, of in service.items()]
    return aligned([[*HEAD, "p50/noop"], *rows]) + failures(service)


def open_loop_table(loop: ByScenario) -> str:
    return aligned([HEAD, *(cells(name, of) for name, of in loop.items())]) + failures(loop)


def saturation_table(saturated: Mapping[str, Saturated]) -> str:
    head = [
        "scenario",
        "requests",
        "errors",
        "a second",
        "/noop",
        "CPU ms each",
        "/noop",
        "busy",
        "own ms each",
    ]
    rows = [
        [
            name,
            f"{len(of.outcomes):,}",
            f"{1 - of.answered / max(1, len(of.outcomes)):.1%}",
            f"{of.rate:,.0f}",
            decimals(throughput_ratio(saturated, name)),
            decimals(math.nan if of.cpu_ms is None else of.cpu_ms),
            decimals(cpu_ratio(saturated, name)),
            decimals(math.nan if of.busy is None else of.busy),
            decimals(of.own_ms),
        ]
        for name, of in saturated.items()
    ]
    return aligned([head, *rows]) + failures({n: Figures.of(of.outcomes) for n, of in saturated.items()})


def half_table(half: ByScenario) -> str:
    rows = [[*cells(name, of), decimals(ratio(half, name, "p99"))] for name, of in half.items()]
    return aligned([[*HEAD, "p99/noop"], *rows]) + failures(half)


def memory_line(spent: Spent) -> str:
    if not spent.memory:
        return "Its /metrics are not to be read here."
    told = " and ".join(f"{size / 2**20:,.0f} MiB" for size in spent.memory)
    return f"Memory (resident) at the end: {told}"


def cells(name: str, of: Figures) -> list[str]:
    return [
        name,
        f"{of.requests:,}",
        f"{of.error_share:.1%}",
        *map(decimals, (of.p50, of.p95, of.p99, of.p999)),
    ]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def failures(by_scenario: ByScenario) -> str:
    return "".join(
        f"\n{name}: {', '.join(f'{count:,} x {reason}' for reason, count in of.reasons.items())}"
        for name, of in by_scenario.items()
        if of.reasons
    )
