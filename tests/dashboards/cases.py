"""The cases of promtool: what each expects to fire, or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.dashboards.rules import CASES, read


@dataclass(frozen=True)
class Case:
    file: Path
    said: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.said["name"])

    def moments(self, alert: str) -> Iterator[list[Any]]:
        """What is expected to fire of an alert, each time that the case looks at it."""
        for looked in self.said.get("alert_rule_test", ()):
            if looked["alertname"] == alert:
                yield looked["exp_alerts"]


@cache
def cases() -> tuple[Case, ...]:
    return tuple(case for file in CASES for case in _cases(file))


def _cases(file: Path) -> Iterator[Case]:
    yield from (Case(file, said) for said in read(file)["tests"])


def fires(alert: str) -> list[Case]:
    return [case for case in cases() if any(case.moments(alert)) and "fires" in case.name]


def stays_silent(alert: str) -> list[Case]:
    """Cases made for silence: whatever they look at, it is not there."""
    silent = (case for case in cases() if case.name.startswith("silent"))
    return [case for case in silent if any(expected == [] for expected in case.moments(alert))]
