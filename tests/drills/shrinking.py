"""Our rules in a world where time runs faster: the same thresholds, every duration divided."""

import re
from typing import Any

import yaml

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
DURATION = re.compile(r"(?<![\w.])(?:\d+(?:ms|[smhdw]))+(?!\w)")
TEXT = re.compile(r'("(?:[^"\\]|\\.)*")')


def shrunk(rules: str, pace: int) -> str:
    """A file of rules. An age in seconds is data, not a duration, and stays."""
    loaded = yaml.safe_load(rules)
    for group in loaded["groups"]:
        _shrink(group, pace)
        for rule in group["rules"]:
            _shrink(rule, pace)
            rule["expr"] = _expression(str(rule["expr"]), pace)
    return yaml.safe_dump(loaded, sort_keys=False)


def _shrink(part: dict[str, Any], pace: int) -> None:
    for key in {"interval", "for", "keep_firing_for"} & part.keys():
        part[key] = duration(part[key], pace)


def _expression(expression: str, pace: int) -> str:
    """Texts between quotes are labels' values."""
    parts = TEXT.split(expression)
    parts[::2] = [DURATION.sub(lambda found: duration(found[0], pace), part) for part in parts[::2]]
    return "".join(parts)


def duration(written: str, pace: int) -> str:
    found = re.findall(r"(\d+)(ms|[smhdw])", written)
    return f"{max(1, sum(int(count) * UNITS[unit] for count, unit in found) // pace)}ms"
