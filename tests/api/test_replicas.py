"""Two processes of the API on one database: what one has acknowledged, the other goes by at once."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from recommender.local.urls import PerRole
from tests.api.conftest import serving
from tests.api.throughput import memory

ROUNDS = 10
Replicas = tuple[httpx.Client, httpx.Client]


@pytest.fixture(scope="module")
def watched() -> list[Any]:
    return []


@pytest.fixture
def replicas(copied: tuple[PerRole[Engine], Path], watched: list[Any]) -> Iterator[Replicas]:
    """The same client at each of them."""
    engines, models = copied
    urls = engines.map(lambda engine: engine.url.render_as_string(hide_password=False))
    with ExitStack() as running:
        one, other = (running.enter_context(serving(urls, models, {})) for _ in "ab")
        watched[:] = [one, other]
        token = one.token(one.register()["username"])
        yield one.signed(token), other.signed(token)


def ask(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def shown(answer: dict[str, Any]) -> list[int]:
    return [movie["movie_id"] for movie in answer["recommendations"]]


def test_what_one_process_acknowledged_the_next_request_to_another_goes_by(
    replicas: Replicas, watched: list[Any]
) -> None:
    one, other = replicas
    user = ask(one, history=[{"title": "The Matrix (1999)", "rating": 5}])["user_id"]
    best = shown(ask(other, user_id=user, k=30))
    for number, movie in enumerate(best[:ROUNDS]):  # each in turn would be the best, had it not been rated
        here, there = (one, other) if number % 2 else (other, one)
        assert shown(ask(there, user_id=user))[0] == shown(ask(here, user_id=user))[0]
        first = shown(ask(there, user_id=user))[0]
        told = {"user_id": user, "movie_id": first, "rating": 1 + movie % 5}
        assert here.post("/ratings", json={"ratings": [told]}).json()["stored"] == 1
        assert first not in shown(ask(there, user_id=user, k=100))
        assert there.get(f"/users/{user}").json()["ratings"] == number + 2
    added = [{"title": "Frozen (2013)", "rating": 5}, {"title": "Moana (2016)", "rating": 5}]
    assert shown(ask(one, user_id=user, history=added)) == shown(ask(other, user_id=user))
    listed = ask(one, user_id=user)
    dismissed = {"recommendation_id": listed["recommendation_id"], "movie_id": shown(listed)[0]}
    assert one.post("/feedback", json=dismissed | {"event": "dismissed"}).status_code == 201
    assert shown(listed)[0] not in shown(ask(other, user_id=user))
    assert one.delete(f"/users/{user}").status_code == 204
    assert other.post("/recommendations", json={"user_id": user}).status_code == 404
    sizes = [memory(service, service.models) for service in watched]
    assert all(size.mapped > 1.8 * size.mapped_pss > 0 for size in sizes)  # a page of both is half of each
