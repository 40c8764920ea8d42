"""The schemas of each Kubernetes in kubernetes-validate, read once: its own check reads 1.4 MB an object."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry, Resource

from tests.charts.monitoring_crds import SCHEMAS, Schema
from tests.charts.rendering import Object

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")


@cache
def _read(version: str, name: str) -> Schema:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    schema: Schema = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return schema


@cache
def _definitions(version: str) -> Registry[bool | Mapping[str, Any]]:
    resource = Resource[bool | Mapping[str, Any]].from_contents(_read(version, "_definitions"))
    return resource @ Registry()


@cache
def _validator(version: str, kind: str, api: str) -> Validator:
    if kind in SCHEMAS:
        return Draft202012Validator(SCHEMAS[kind])
    group, _, released = api.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.partition(".")[0], released) if part)
    return Draft202012Validator(_read(version, name), registry=_definitions(version))


@cache
def _faults(version: str, thing: str) -> tuple[str, ...]:
    given = json.loads(thing)
    errors = _validator(version, given["kind"], given["apiVersion"]).iter_errors(given)
    return tuple(f"{error.json_path}: {error.message[:200]}" for error in errors)


def faults(version: str, thing: Object) -> list[str]:
    """What that Kubernetes would not take; an object that many renderings share is looked at once."""
    return list(_faults(version, json.dumps(thing, sort_keys=True)))
