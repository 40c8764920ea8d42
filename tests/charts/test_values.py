"""Every key of values.yaml has a sentence, is in the schema and is read; the README's table is made of it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helm_python import HelmRenderError
from jsonschema import Draft7Validator

from tests.charts.rendering import Object, load, merged, render
from tests.charts.values_table import README, Entry, entries, with_table

ALL_ON: Object = {
    "ingress": {"enabled": True, "hosts": ["marquee.example.com"]},
    "airflow": {"enabled": True},
    "simulator": {"enabled": True},
    "monitoring": {"enabled": True},
    "objectStorage": {"backups": "s3://films/backups"},
}
ELSEWHERE: Object = {
    "existingSecret": "mine",
    "database": {"external": {"enabled": True, "host": "db.example.com", "sslRootCert": {"name": "ca"}}},
    "objectStorage": {"models": "s3://films/models"},
}
SCALED: Object = {"api": {"autoscaling": {"enabled": True, "maxReplicas": 3}}}
BASES: tuple[Object, ...] = (
    {},
    ALL_ON,
    ELSEWHERE,
    merged(ELSEWHERE, {"database": {"external": {"admin": {"enabled": True}}}}),
    SCALED,
)
WORDS = [
    "other", "s3://other/place", "https://other.example.com", "7Gi", "7s", "15 4 * * *", "ReadWriteMany",
    "Always", "closed", "require", "none", "NodePort", "Secret", f"sha256:{'7' * 64}",
]  # fmt: skip
LISTS: list[list[object]] = [
    ["other"], ["10.7.0.0/16"], [7777], [{"name": "OTHER", "value": "x"}],
    [{"ipBlock": {"cidr": "10.7.0.0/16"}}], [{"key": "other", "operator": "Exists"}],
]  # fmt: skip
MAPPINGS: list[Object] = [
    {"other": "other"},
    {"limits": {"memory": "3Gi"}, "requests": {"memory": "3Gi"}},
    {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
]


def others(value: object) -> Iterator[object]:
    """Values that a person could write instead; the schema says which of them fit."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value / 2, value * 10)
    elif isinstance(value, str):
        yield from WORDS
    elif isinstance(value, list):
        yield from LISTS
    else:
        yield from MAPPINGS


def nested(path: tuple[str, ...], value: object) -> Object:
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


@cache
def defaults() -> Object:
    return load().values


@cache
def schema() -> Draft7Validator:
    return Draft7Validator(load().schema or {})


def fitting(entry: Entry) -> Iterator[Object]:
    for value in others(entry.default):
        change = nested(entry.path, value)
        if schema().is_valid(merged(defaults(), change)):
            yield change


def outcome(chart: Path, values: Object) -> object:
    """What a release is made of, but for what chance puts into its Secret; or why there is none."""
    try:
        files = render(values, chart=chart).files
    except HelmRenderError as refused:
        return str(refused)
    secret = files["marquee/templates/secret.yaml"]
    return {**files, "marquee/templates/secret.yaml": re.sub(r": \S{16,}", "", secret)}


def is_read(chart: Path, entry: Entry) -> bool:
    changes = ((base, merged(base, change)) for change in fitting(entry) for base in BASES)
    return any(outcome(chart, base) != outcome(chart, changed) for base, changed in changes)


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.key)
def test_a_key_that_is_changed_changes_something(filled: Path, entry: Entry) -> None:
    assert next(fitting(entry), None), "no other value of the lists above fits: add one"
    assert is_read(filled, entry)


def test_a_key_that_nobody_reads_is_seen(filled: Path) -> None:
    """Helm's own key is one: the schema lets it pass."""
    assert not is_read(filled, Entry(("global",), {}, ""))


def test_the_same_values_give_the_same_release() -> None:
    """But for the Secret: a difference would restart pods at each upgrade."""
    made = [load().render({}, name="marquee", namespace="marquee") for _ in range(2)]
    assert {name for name, text in made[0].items() if made[1][name] != text} == {
        "marquee/templates/secret.yaml"
    }


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.key)
def test_every_key_has_a_sentence(entry: Entry) -> None:
    assert re.fullmatch(r"\w.+\.", entry.sentence), entry.sentence


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    root = load().schema or {}
    reference = schema.get("$ref", "").removeprefix("#/definitions/")
    return resolved(root["definitions"][reference]) if reference else schema


def differences(values: Mapping[str, Any], schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Keys that only one of the two knows, and mappings between them that take any key."""
    schema = resolved(schema)
    known = schema.get("properties", {})
    if schema.get("additionalProperties") is not False:
        yield f"{above} takes any key"
    yield from (f"{above}{key}" for key in set(values) ^ set(known) - {"global"})
    leaves = {entry.key for entry in entries()}
    for key in set(values) & set(known):
        if isinstance(values[key], dict) and f"{above}{key}" not in leaves:
            yield from differences(values[key], known[key], f"{above}{key}.")


def test_schema_and_values_know_the_same_keys() -> None:
    assert list(differences(load().values, load().schema or {})) == []


def test_a_key_that_the_schema_forgot_is_seen() -> None:
    forgotten = merged(load().values, {"api": {"forgotten": 1}})
    assert list(differences(forgotten, load().schema or {})) == ["api.forgotten"]


def test_the_readmes_table_is_that_of_the_values() -> None:
    page = README.read_text(encoding="utf-8")
    assert page == with_table(page), "python -m tests.charts.values_table --write"
