"""The committed OpenAPI document is what the API says, and no change of it breaks a client unnoticed."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import api
from api.contract import written

COMMITTED = Path(api.__file__).parent / "openapi.json"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


def breaking(old: Any, new: Any) -> list[str]:
    """What a client written for the old document may stumble over in the new one."""
    return [*_gone_routes(old, new), *_schema_breaks(old, new)]


def _gone_routes(old: Any, new: Any) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method, operation in methods.items():
            other = new["paths"].get(path, {}).get(method)
            if other is None:
                yield f"{method} {path} is gone"
                continue
            for code in operation["responses"]:
                if code.startswith("2") and code not in other["responses"]:
                    yield f"{method} {path} no longer answers {code}"
            before = {(p["in"], p["name"]) for p in operation.get("parameters", ())}
            for parameter in other.get("parameters", ()):
                if parameter.get("required") and (parameter["in"], parameter["name"]) not in before:
                    yield f"{method} {path} now wants {parameter['name']}"


def _schema_breaks(old: Any, new: Any) -> Iterator[str]:
    for name, schema in old["components"]["schemas"].items():
        other = new["components"]["schemas"].get(name)
        if other is None:
            yield f"{name} is gone"
            continue
        for field, kind in schema.get("properties", {}).items():
            if field not in other.get("properties", {}):
                yield f"{name}.{field} is gone"
            elif _kind(kind) != _kind(other["properties"][field]):
                yield f"{name}.{field} has another type"
        for field in set(other.get("required", ())) - set(schema.get("required", ())):
            yield f"{name}.{field} is now required"


def _kind(schema: Any) -> Any:
    return {key: schema.get(key) for key in ("type", "anyOf", "enum", "const", "$ref", "items")}


@pytest.fixture
def committed() -> Any:
    return json.loads(COMMITTED.read_text(encoding="utf-8"))


def test_the_committed_document_is_what_the_api_says(committed: Any) -> None:
    now = json.loads(written())
    assert breaking(committed, now) == []
    assert committed == now, "run: python -m api.contract > api/openapi.json"


def test_a_route_a_field_or_a_demand_that_changed_is_found(committed: Any) -> None:
    new = copy.deepcopy(committed)
    del new["paths"]["/token"]
    del new["components"]["schemas"]["MovieView"]["properties"]["year"]
    new["components"]["schemas"]["RecommendationsAsked"]["required"] = ["user_id"]
    assert breaking(committed, new) == [
        "post /token is gone",
        "MovieView.year is gone",
        "RecommendationsAsked.user_id is now required",
    ]


def test_every_route_with_a_body_has_an_example(committed: Any) -> None:
    for path, methods in committed["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"]["$ref"].rpartition("/")[2]
                schema = committed["components"]["schemas"][name]
                fields = schema["properties"].values()
                assert "examples" in schema or all("examples" in f for f in fields), f"{method} {path}"


def test_schemathesis_finds_no_5xx_and_nothing_outside_the_schema(stocked: Any, tmp_path: Path) -> None:
    token = stocked.token(stocked.register()["username"])
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{stocked.url}/openapi.json"]
    options = ["--checks", CHECKS, "--max-examples", "20", "--seed", "1", "--no-color", "--phases"]
    options += ["examples,coverage,fuzzing", "-H", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
