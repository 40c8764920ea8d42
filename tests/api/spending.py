"""What a family of processes spends of processor time, watched from outside while somebody else measures."""

import os
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


class Spending:
    """Of a process and its children, as long as they live and after."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._moments: list[float] = []
        self._spent: list[float] = []  # seconds until then

    def look(self) -> None:
        self._moments.append(time())
        self._spent.append(spent_by(self._first))

    def between(self, began: float, ended: float) -> float:
        """Seconds of the processor."""
        return self._until(ended) - self._until(began)

    def _until(self, moment: float) -> float:
        return self._spent[min(bisect_left(self._moments, moment), len(self._spent) - 1)]


def spent_by(first: int) -> float:
    """The first counts what its children had spent when they ended."""
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return (sum(_ticks(first)) + sum(sum(_ticks(int(child))[:2]) for child in children)) / TICKS


def _ticks(pid: int) -> list[int]:
    """Of itself for users and the system, and of its ended children."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:  # ended meanwhile
        return [0]
    return [int(part) for part in stat.rpartition(")")[2].split()[11:15]]


def spending_table(saturation: Mapping[str, Mapping[str, Any]], postgres: Spending) -> str:
    """By scenario, a request: the API, Postgres, who asks; and how busy the processors of each were."""
    lines = ["CPU ms each   API  Postgres  bench   busy: API  the others"]
    for name, found in saturation.items():
        seconds = sum(ended - began for began, ended in found["turns"])
        requests = found["requests"]
        server = sum(postgres.between(began, ended) for began, ended in found["turns"])
        others = (server + found["own_cpu_ms"] * requests / 1000) / seconds
        cells = (found["cpu_ms"], 1000 * server / max(1, requests), found["own_cpu_ms"])
        lines.append(f"{name:<9} {_cells(cells, 8)}   {_cells((found['busy'], others), 9)}")
    return "\n".join(lines) + "\n"


def _cells(values: tuple[float, ...], width: int) -> str:
    return "".join(f"{value:{width}.2f}" for value in values)
