"""The OpenAPI document: what every route shares is written here once, not on each route."""

from typing import Any

from fastapi import FastAPI

from api.problems import CONTENT_TYPE, TITLES, Problem
from api.wishes import NightlyList

OF_A_BODY, OF_A_CLIENT, OF_INPUT = (400, 408, 413), (401, 429, 503), (422,)
RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
HEADERS = {
    401: {"WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}}},
    429: RETRY,
    503: RETRY,
}
CONTENT = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
TEMPLATE = "#/components/schemas/{model}"


class Described(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            _describe(super().openapi())
        return super().openapi()


def _describe(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"] = _answers(operation)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for framework in ("HTTPValidationError", "ValidationError"):
        schemas.pop(framework, None)
    for model in (Problem, NightlyList):  # no route names them as its answer
        schema = model.model_json_schema(ref_template=TEMPLATE)
        schemas |= schema.pop("$defs") | {model.__name__: schema}


def _answers(operation: dict[str, Any]) -> dict[str, Any]:
    answers = operation["responses"]
    good = {code: answer for code, answer in answers.items() if int(code) < 400}
    own = {int(code) for code in answers} - {int(code) for code in good}
    bad = own | set(_shared(operation))
    return good | {str(code): _problem(code, answers.get(str(code), {})) for code in sorted(bad)}


def _shared(operation: dict[str, Any]) -> tuple[int, ...]:
    body, client = "requestBody" in operation, "security" in operation
    sent = body or "parameters" in operation
    return (OF_A_BODY if body else ()) + (OF_INPUT if sent else ()) + (OF_A_CLIENT if client else ())


def _problem(code: int, said: dict[str, Any]) -> dict[str, Any]:
    if "content" in said and code != 422:  # the framework's own has another shape
        return said
    answer = {"description": TITLES[code], "content": CONTENT}
    return answer | ({"headers": HEADERS[code]} if code in HEADERS else {})
