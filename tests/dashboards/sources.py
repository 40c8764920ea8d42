"""Where a metric comes from, and the labels that it has there."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache

from tests.dashboards import promql
from tests.dashboards.rules import FOLDER, Rule, alerts, records

Labels = Mapping[str, set[str]]
# What Prometheus adds to each series that it scrapes.
OF_TARGETS = {"job", "instance", "namespace", "pod", "service", "endpoint", "container"}
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \|(?P<labels>[^|]*)\|", re.MULTILINE)
SAMPLE = re.compile(r"^(?P<name>[a-z]\w*)(?:\{(?P<labels>.*)\})? \S+$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"')
PARTS = {
    "histogram": {"_bucket": {"le"}, "_count": set[str](), "_sum": set[str]()},
    "summary": {"_count": set[str](), "_sum": set[str]()},
}


def exposed(text: str) -> Labels:
    """What a page of metrics holds, as it is written there: the client's parser adds `_total` to counters."""
    found: dict[str, set[str]] = defaultdict(set)
    for sample in SAMPLE.finditer(text):
        found[sample["name"]] |= set(LABEL.findall(sample["labels"] or ""))
    return found


@cache
def of_the_page() -> Labels:
    """METRICS.md, which another test holds against a running API, both ways."""
    found: dict[str, set[str]] = {}
    for row in ROW.finditer((FOLDER.parent / "api" / "METRICS.md").read_text(encoding="utf-8")):
        labels = set(re.findall(r"`(\w+)`", row["labels"]))
        for ending, more in PARTS.get(row["type"], {"": set[str]()}).items():
            found[row["name"] + ending] = labels | more
    return found


@cache
def recorded(source: str) -> Labels:
    return exposed((FOLDER / "sources" / f"{source}.prom").read_text(encoding="utf-8"))


@cache
def of_the_rules() -> Labels:
    found: dict[str, set[str]] = defaultdict(set)
    for rule in records():
        found[rule.name] |= set(rule.said.get("labels", {})) | _labels(rule)
    return found


def _labels(rule: Rule) -> set[str]:
    """Those it groups by, and those that the recordings it is made of have."""
    others = [one for one in records() if one.name in promql.metrics(rule.tree) and one is not rule]
    return set().union(*promql.groupings(rule.tree), *map(_labels, others))


@cache
def of_prometheus() -> Labels:
    told = {"alertname"}.union(*(alert.said["labels"] for alert in alerts()), *map(_labels, alerts()))
    return {"up": set(), "ALERTS": told | {"alertstate"}, "ALERTS_FOR_STATE": told}


SOURCES: Mapping[str, Callable[[], Labels]] = {
    "api": of_the_page,
    "rules": of_the_rules,
    "prometheus": of_prometheus,
    "airflow": lambda: recorded("airflow"),
    "kube-state-metrics": lambda: recorded("kube-state-metrics"),
    "kubelet": lambda: recorded("kubelet"),
}


def known(source: str) -> Labels:
    return SOURCES[source]()


def faults(use: promql.Use, found: list[Labels]) -> list[str]:
    """Why nothing would be found."""
    there = [labels[use.metric] for labels in found if use.metric in labels]
    if not there:
        return [f"{use.metric} is in no source"]
    return [f"{use.metric} has no label {label}" for label in sorted(use.labels - OF_TARGETS.union(*there))]
