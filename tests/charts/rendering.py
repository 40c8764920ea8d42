"""The chart as Helm's own engine renders it, kept by values: each is rendered once a run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

from recommender.local.places import PROJECT

CHART = PROJECT / "charts" / "marquee"
Object = dict[str, Any]


class _Loader(yaml.CSafeLoader):
    """YAML in which a key that stands twice in one mapping is an error, as it is to kubectl."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            twice = sorted({key for key in keys if keys.count(key) > 1})
            raise yaml.constructor.ConstructorError(None, None, f"{twice} twice", node.start_mark)
        return super().construct_mapping(node, deep)


def documents(text: str) -> list[Object]:
    return [document for document in yaml.load_all(text, _Loader) if document]


@dataclass(frozen=True)
class Pod:
    """A pod that an object of the chart makes."""

    owner: Object
    metadata: Object
    spec: Object

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.metadata.get("labels", {}))

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def __str__(self) -> str:
        return title(self.owner)


@dataclass(frozen=True)
class Release:
    files: Mapping[str, str] = field(repr=False)

    @cached_property
    def objects(self) -> list[Object]:
        manifests = (text for name, text in self.files.items() if name.endswith(".yaml"))
        return [thing for text in manifests for thing in documents(text)]

    @property
    def notes(self) -> str:
        return self.files["marquee/templates/NOTES.txt"]

    def all(self, kind: str) -> list[Object]:
        return [thing for thing in self.objects if thing["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        found = [thing for thing in self.all(kind) if thing["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} of {kind}/{name} in {sorted(self.titles)}"
        return found[0]

    @cached_property
    def titles(self) -> set[str]:
        return {title(thing) for thing in self.objects}

    @cached_property
    def pods(self) -> list[Pod]:
        return [pod for thing in self.objects for pod in _pods(thing)]

    def of(self, component: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.component == component]


def title(thing: Object) -> str:
    return f"{thing['kind']}/{thing['metadata']['name']}"


def _pods(thing: Object) -> Iterator[Pod]:
    if thing["kind"] == "Pod":
        yield Pod(thing, thing["metadata"], thing["spec"])
        return
    spec = thing.get("spec", {})
    template = spec.get("jobTemplate", {"spec": spec})["spec"].get("template")
    if template:
        yield Pod(thing, template["metadata"], template["spec"])


def render(
    values: Mapping[str, Any] | None = None,
    *,
    name: str = "marquee",
    namespace: str = "marquee",
    revision: int = 1,
    chart: Path = CHART,
) -> Release:
    """What `helm template` would print; nothing of it may be changed by a test."""
    return _render(json.dumps(values or {}, sort_keys=True), name, namespace, revision, chart)


@cache
def _render(values: str, name: str, namespace: str, revision: int, chart: Path) -> Release:
    return Release(
        load(chart).render(
            json.loads(values), name=name, namespace=namespace, revision=revision, is_upgrade=revision > 1
        )
    )


@cache
def load(chart: Path = CHART) -> Chart:
    return Chart.load(chart)


@cache
def values_files() -> dict[str, Path]:
    """The sets of values that the chart is checked with, by name: default, minimal, full and others."""
    return {path.stem.removesuffix("-values"): path for path in sorted(CHART.glob("ci/*.yaml"))}


def values(name: str) -> dict[str, Any]:
    return yaml.load(values_files()[name].read_text(), _Loader) or {}  # noqa: S506 a safe loader


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win, as with several -f of helm."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged(result[key], value) if both else value
    return result
