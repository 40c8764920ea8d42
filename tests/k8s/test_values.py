"""Namespaces, versions and values: what can be said of them without the charts of others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recommender.local.places import PROJECT
from tests.charts.rendering import CHART, documents

K8S = PROJECT / "k8s"
RELEASES = ("monitoring", "marquee", "airflow")
# Keys of the two charts whose value would be the secret itself, and not the name of one.
HOLDS_A_SECRET = re.compile(
    r"pass|password|adminPassword|fernetKey|apiSecretKey|jwtSecret|webserverSecretKey|brokerUrl|"
    r"metadataConnection|extraSecrets|stringData|sshKey"
)
PINNED = re.compile(r"[\w.:/+-]*\d+\.\d+[\w.+-]*")


def values(release: str) -> Any:
    (document,) = documents((K8S / f"{release}.yaml").read_text())
    return document


def versions() -> dict[str, str]:
    lines = (K8S / "versions.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from keys(below)


@pytest.mark.parametrize("file", sorted(K8S.glob("*.yaml")), ids=lambda file: file.name)
def test_a_file_is_well_formed_and_no_key_stands_twice(file: Path) -> None:
    assert documents(file.read_text())


@pytest.mark.parametrize("release", RELEASES)
def test_values_hold_no_secret(release: str) -> None:
    assert [key for key in keys(values(release)) if HOLDS_A_SECRET.fullmatch(key)] == []


@pytest.mark.parametrize("file", sorted(K8S.glob("*.[ye][an][mv]*")), ids=lambda file: file.name)
def test_nothing_is_the_latest(file: Path) -> None:
    assert not re.search(r"\blatest\b", file.read_text())


def test_everything_has_a_version() -> None:
    unpinned = {
        name
        for name, value in versions().items()
        if not name.endswith("_REPO") and not PINNED.fullmatch(value)
    }
    assert unpinned == set()


def test_the_scripts_read_every_version_that_is_not_pinned_elsewhere() -> None:
    scripts = "".join(file.read_text() for file in K8S.glob("*.sh"))
    unread = {name for name in versions() if f"${name}" not in scripts and f"${{{name}" not in scripts}
    assert unread == {"BASE_IMAGE", "POSTGRES_IMAGE", "AIRFLOW_VERSION"}


def test_what_is_pinned_twice_is_pinned_alike() -> None:
    pins = versions()
    assert f"ARG BASE={pins['BASE_IMAGE']}\n" in (PROJECT / "Dockerfile").read_text()
    (chart,) = documents((CHART / "values.yaml").read_text())
    image = chart["postgres"]["image"]
    assert f"{image['repository']}:{image['tag']}" == pins["POSTGRES_IMAGE"]
    assert f"=={pins['AIRFLOW_VERSION']}\n" in (PROJECT / "requirements" / "airflow.in").read_text()
    assert values("airflow")["airflowVersion"] == pins["AIRFLOW_VERSION"]


def test_each_release_has_a_namespace_of_its_name() -> None:
    names = [thing["metadata"]["name"] for thing in documents((K8S / "namespaces.yaml").read_text())]
    assert sorted(names) == sorted(RELEASES)


@pytest.mark.parametrize(
    ("name", "enforced"), [("marquee", "restricted"), ("airflow", "restricted"), ("monitoring", "privileged")]
)
def test_a_namespace_says_what_its_pods_may(name: str, enforced: str) -> None:
    things = documents((K8S / "namespaces.yaml").read_text())
    (labels,) = (thing["metadata"]["labels"] for thing in things if thing["metadata"]["name"] == name)
    assert {key: value for key, value in labels.items() if key.startswith("pod-security")} == {
        "pod-security.kubernetes.io/enforce": enforced,
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
