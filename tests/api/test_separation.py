"""Another client's user is answered as one that does not exist, on every route that takes a user.

The routes are found in the OpenAPI document: one that is added later fails here until it is tried.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

NOBODY = 2**39 + 12345
# A body for each route that names a user in its body, with USER where the id goes.
BODIES: dict[str, Any] = {
    "POST /recommendations": {"user_id": "USER", "history": [{"movie_id": 1}]},
    "POST /recommendations/batch": {"users": [{"user_id": "USER"}]},
    "POST /recommendations/together": {"members": [{"user_id": "USER"}, {"history": [{"movie_id": 1}]}]},
    "POST /ratings": {"ratings": [{"user_id": "USER", "movie_id": 1}]},
}


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def mentions_user(document: Any, node: Any, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a request schema has a property user_id, through every reference."""
    if isinstance(node, list):
        return any(mentions_user(document, item, seen) for item in node)
    if not isinstance(node, dict):
        return False
    if (name := node.get("$ref", "").rpartition("/")[2]) and name not in seen:
        return mentions_user(document, document["components"]["schemas"][name], seen | {name})
    if "user_id" in node.get("properties", {}):
        return True
    return any(mentions_user(document, value, seen) for value in node.values())


@pytest.fixture(scope="module")
def document(stocked: Any) -> Any:
    return stocked.http.get("/openapi.json").json()


@pytest.fixture(scope="module")
def foreign(stocked: Any) -> tuple[httpx.Client, int, str]:
    """B's connection, A's user, and a recommendation made for that user."""
    answer = stocked.client().post("/recommendations", json={"history": [{"movie_id": 1}]}).json()
    return stocked.client(), answer["user_id"], answer["recommendation_id"]


def call(client: httpx.Client, operation: str, user_id: int) -> tuple[int, str]:
    method, path = operation.split(" ")
    body = json.loads(json.dumps(BODIES.get(operation)).replace('"USER"', str(user_id)))
    answer = client.request(method, path.replace("{user_id}", str(user_id)), json=body)
    assert answer.status_code in (200, 404), f"{operation}: {answer.text}"
    return answer.status_code, re.sub(rf"\b{user_id}\b", "USER", answer.text)


def test_every_route_that_takes_a_user_answers_as_if_there_were_none(
    document: Any, foreign: tuple[httpx.Client, int, str]
) -> None:
    as_b, user_of_a, _ = foreign
    tried = 0
    for name, operation in operations(document):
        in_body = mentions_user(document, operation.get("requestBody", {}))
        if in_body:
            assert name in BODIES, f"say in BODIES how {name} names a user"
        if in_body or "{user_id}" in name:
            assert call(as_b, name, user_of_a) == call(as_b, name, NOBODY), name
            tried += 1
    assert tried >= 7


def test_feedback_on_another_clients_recommendation_is_a_404(foreign: tuple[httpx.Client, int, str]) -> None:
    as_b, _, recommendation = foreign
    told = {"recommendation_id": recommendation, "movie_id": 1, "event": "shown"}
    assert as_b.post("/feedback", json=told).status_code == 404


def test_two_clients_may_use_the_same_name_for_different_users(stocked: Any) -> None:
    body = {"external_id": "same", "history": [{"movie_id": 1}]}
    a, b = (stocked.client().post("/recommendations", json=body).json() for _ in "ab")
    assert a["user_id"] != b["user_id"]


def test_idempotency_keys_of_two_clients_do_not_meet(stocked: Any) -> None:
    headers, body = {"Idempotency-Key": "shared"}, {"history": [{"movie_id": 1}]}
    a, b = (stocked.client().post("/recommendations", json=body, headers=headers).json() for _ in "ab")
    assert a["user_id"] != b["user_id"]
