"""What is rendered is what Kubernetes 1.30 to 1.37 and the operator of Prometheus take, key by key."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.kubernetes_schemas import VERSIONS, faults
from tests.charts.rendering import Object, documents, render, title, values, values_files

CASES = sorted(values_files())
MONITORED: Object = {"monitoring": {"enabled": True}}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_object_fits_the_schemas(version: str, case: str) -> None:
    found = {title(thing): faults(version, thing) for thing in render(values(case)).objects}
    assert found
    assert {name: what for name, what in found.items() if what} == {}


def nulls(value: Any, path: str) -> Iterator[str]:
    """Strict schemas let null pass; a server drops the key, and Helm then sees a difference that is none."""
    if value is None:
        yield path
    for key, below in value.items() if isinstance(value, dict) else ():
        yield from nulls(below, f"{path}.{key}")
    for number, below in enumerate(value if isinstance(value, list) else ()):
        yield from nulls(below, f"{path}.{number}")


@pytest.mark.parametrize("case", CASES)
def test_no_key_is_left_without_a_value(case: str) -> None:
    assert [path for thing in render(values(case)).objects for path in nulls(thing, title(thing))] == []


@pytest.mark.parametrize("case", CASES)
def test_no_object_is_there_twice(case: str) -> None:
    release = render(values(case))
    assert len(release.titles) == len(release.objects)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "template", "spec", "restartPolicyy"), "Always"),
        ("Deployment", ("spec", "replicas"), "two"),
        ("Service", ("spec", "ports"), [{"name": "http"}]),
        ("NetworkPolicy", ("spec", "policyType"), []),
        ("ServiceMonitor", ("spec", "endpoints"), [{"port": "http", "interval": "half a minute"}]),
        ("ServiceMonitor", ("spec", "endpoint"), []),
        (
            "PrometheusRule",
            ("spec", "groups"),
            [{"name": "a", "rules": [{"expr": "1", "alert": "A", "x": 1}]}],
        ),
    ],
)
def test_an_object_that_fits_no_more_is_seen(kind: str, path: tuple[str, ...], value: object) -> None:
    *above, last = path
    thing = copy.deepcopy(render(MONITORED).all(kind)[0])
    assert faults("1.37", thing) == []
    place = thing
    for step in above:
        place = place[step]
    place[last] = value
    assert faults("1.37", thing)


def test_a_key_that_stands_twice_is_seen() -> None:
    with pytest.raises(Exception, match=r"'kind'.* twice"):
        documents("kind: Pod\nkind: Job\n")
