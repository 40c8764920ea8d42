"""The files of rules, as what they hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recommender.local.places import PROJECT
from tests.dashboards import promql

FOLDER = PROJECT / "dashboards"
FILES = sorted((FOLDER / "rules").glob("*.yaml"))
CASES = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
FIRST_LINE = re.compile(r"# Metrics of: ([a-z-]+(?:, [a-z-]+)*)")


@dataclass(frozen=True)
class Rule:
    file: Path
    said: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.said.get("alert") or self.said["record"])

    @property
    def tree(self) -> Any:
        return promql.parsed(self.said["expr"])

    def __str__(self) -> str:
        return f"{self.file.name} {self.name} {self.said.get('labels', {}).get('figure', '')}".strip()


def read(file: Path) -> Any:
    """The reader in C: the cases are long."""
    return yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)


@cache
def rules() -> tuple[Rule, ...]:
    return tuple(rule for file in FILES for rule in _rules(file))


def _rules(file: Path) -> Iterator[Rule]:
    for group in read(file)["groups"]:
        yield from (Rule(file, said) for said in group["rules"])


def alerts() -> list[Rule]:
    return [rule for rule in rules() if "alert" in rule.said]


def records() -> list[Rule]:
    return [rule for rule in rules() if "record" in rule.said]


def names() -> list[str]:
    return sorted({alert.name for alert in alerts()})


def sources(file: Path) -> list[str]:
    first = FIRST_LINE.fullmatch(file.read_text(encoding="utf-8").partition("\n")[0])
    assert first, f"the first line of {file.name} is '# Metrics of: ...'"
    return first[1].split(", ")


def behind(tree: Any) -> set[str]:
    """The metrics of an expression, and those that its recordings are made of."""
    made = {rule.name: rule for rule in records() if rule.name != "marquee:figures:absent"}
    found = promql.metrics(tree)
    return found.union(*(behind(made[name].tree) for name in found if name in made))
