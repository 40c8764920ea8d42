"""The commands that NOTES names work: what they name is there."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.charts.cluster import held
from tests.charts.rendering import Object, Release, render, values, values_files

KINDS = {
    "cronjob": "CronJob",
    "deployment": "Deployment",
    "deploy": "Deployment",
    "job": "Job",
    "pod": "Pod",
    "secret": "Secret",
    "service": "Service",
    "statefulset": "StatefulSet",
    "svc": "Service",
}
CASES: dict[str, Object] = {
    "with a key": {"ingress": {"enabled": True, "hosts": ["marquee.example.com"]}},
    "closed": {"api": {"registration": "closed"}},
    "open": {"api": {"registration": "open"}},
}


def case(name: str) -> Object:
    return CASES.get(name) or values(name)


def steps(notes: str) -> list[list[str]]:
    """The commands below each number."""
    parts = re.split(r"^\d\. ", notes, flags=re.MULTILINE)[1:]
    lines = [[line.strip() for line in part.splitlines()] for part in parts]
    return [[line for line in part if line.startswith(("kubectl ", "helm ", "curl "))] for part in lines]


def named(words: list[str]) -> Iterator[tuple[str, str]]:
    """The objects that the words of a command name: as kind/name, or as two words."""
    for word in words:
        kind, slash, name = word.partition("/")
        if slash and kind.startswith("--from="):
            kind = kind.removeprefix("--from=")
        if slash and kind in KINDS:
            yield KINDS[kind], name
    for kind, name in pairwise(words):
        if kind in KINDS and not name.startswith("-") and "create" not in words:
            yield KINDS[kind], name


def faults(command: str, release: Release, namespace: str) -> list[str]:
    words = shlex.split(command.partition("|")[0])
    found = [f"{kind}/{name}" for kind, name in named(words) if f"{kind}/{name}" not in release.titles]
    if words[0] in ("kubectl", "helm") and words[words.index("-n") + 1] != namespace:
        found.append("the namespace")
    if words[:2] == ["helm", "test"]:
        hooks = [one["metadata"].get("annotations", {}).get("helm.sh/hook") for one in release.all("Pod")]
        found += [] if "test" in hooks else ["helm test"]
    if words[0] == "kubectl" and "port-forward" in words:
        service = next(release.one(kind, name) for kind, name in named(words) if kind == "Service")
        ports = {str(port["port"]) for port in service["spec"]["ports"]}
        found += [] if words[-1].partition(":")[2] in ports else ["the port"]
    for key in re.findall(r"\.data\.(\w+)", command):
        found += [] if key in held(release) else [key]
    return found


@pytest.mark.parametrize("name", [*sorted(values_files()), *CASES])
def test_the_next_three_commands_name_what_is_there(name: str) -> None:
    release = render(case(name), namespace="films")
    told = steps(release.notes)
    assert len(told) == 3
    assert all(told), told
    assert [fault for step in told for line in step for fault in faults(line, release, "films")] == []


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("kubectl -n films rollout status deployment/marquee", "Deployment/marquee"),
        ("kubectl -n marquee rollout status deployment/marquee-api", "the namespace"),
        ("kubectl -n films port-forward service/marquee-api 8000:8000", "the port"),
        (
            "kubectl -n films get secret marquee -o jsonpath='{.data.REGISTRATION}' | base64 -d",
            "REGISTRATION",
        ),
        ("kubectl -n films get secret marquees -o yaml", "Secret/marquees"),
        ("kubectl -n films create job --from=cronjob/marquee-restores now", "CronJob/marquee-restores"),
    ],
)
def test_a_command_that_cannot_work_is_seen(command: str, fault: str) -> None:
    assert faults(command, render(namespace="films"), "films") == [fault]


def test_who_needs_the_key_is_told_where_it_is() -> None:
    assert ".data.REGISTRATION_KEY}" in render().notes
    assert "REGISTRATION_KEY" not in render(CASES["open"]).notes
