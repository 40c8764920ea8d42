"""Asks a real Prometheus what a panel asks through Grafana, with its variables filled in."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from dashboards.boards.board import Variable

LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
POINTS = 240


@dataclass(frozen=True)
class Series:
    name: str
    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        return self.points[-1][1]


@dataclass(frozen=True)
class Prometheus:
    """What is asked is the last `shown_s` seconds before `now`; rates look back `window_s`."""

    url: str
    now: float
    shown_s: int
    window_s: int

    def values(self, variables: Sequence[Variable]) -> dict[str, str]:
        """Of each variable the first value, as Grafana picks it; empty where no series has the label."""
        chosen: dict[str, str] = {}
        for one in variables:
            if (asked := LABEL_VALUES.fullmatch(filled(one.query, chosen))) is None:
                raise ValueError(f"not a query for labels: {one.query}")
            found = self._get(f"label/{asked['label']}/values", {"match[]": asked["selector"]})
            chosen[one.name] = min(found, default="")
        return chosen

    def ask(self, target: Mapping[str, Any], values: Mapping[str, str]) -> list[Series]:
        spans = {"__rate_interval": f"{self.window_s}s", "__range": f"{self.shown_s}s"}
        expression = filled(target["expr"], {**values, **spans})
        if target["instant"]:
            answer = self._get("query", {"query": expression, "time": str(self.now)})
        else:
            answer = self._get("query_range", {"query": expression, **self._range})
        return list(_series(answer["result"], target["legendFormat"]))

    @property
    def _range(self) -> dict[str, str]:
        step = max(self.shown_s // POINTS, 1)
        return {"start": str(self.now - self.shown_s), "end": str(self.now), "step": str(step)}

    def _get(self, path: str, asked: Mapping[str, str]) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=asked, trust_env=False, timeout=30).json()
        if answer["status"] != "success":
            raise ValueError(f"{asked}: {answer['error']}")
        return answer["data"]


def filled(expression: str, values: Mapping[str, str]) -> str:
    for name in sorted(values, key=len, reverse=True):
        expression = expression.replace(f"${name}", values[name])
    return expression


def _series(result: Sequence[Mapping[str, Any]], legend: str) -> Iterator[Series]:
    for one in result:
        labels = one["metric"]
        found = one.get("values") or [one["value"]]
        points = [(float(when), float(value)) for when, value in found]
        yield Series(_named(legend, labels), labels, points)


def _named(legend: str, labels: Mapping[str, str]) -> str:
    if legend == "__auto":
        return ", ".join(labels.values())
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)
