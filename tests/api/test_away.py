"""While Postgres lets nobody in: what can be answered is answered, and says what was not stored."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from recommender.database import open_engine
from recommender.local.urls import PerRole
from tests.api.conftest import Service, away, until
from tests.api.test_recommendations import whole

HISTORY: dict[str, Any] = {"history": [{"title": "The Matrix (1999)", "rating": 5}], "k": 3}
FALLBACKS = 'marquee_fallbacks_total{reason="database_away"}'


@pytest.fixture(scope="module")
def engines(own: Service) -> Iterator[PerRole[Engine]]:
    engines = own.urls.map(open_engine)
    yield engines
    engines.map(Engine.dispose)


def fallbacks(service: Service) -> float:
    lines = service.http.get("/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(FALLBACKS))


def database(state: str) -> Any:
    return lambda answer: answer.json()["database"] == state


def recommended(answer: httpx.Response, *, persisted: bool) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = whole(answer)
    assert (told["persisted"], told["source"], len(told["recommendations"])) == (persisted, "model", 3)
    return told


def test_a_history_is_answered_and_a_user_alone_is_told_to_come_again(
    own: Service, engines: PerRole[Engine]
) -> None:
    client = own.client()
    user_id = recommended(client.post("/recommendations", json=HISTORY), persisted=True)["user_id"]
    user = {"user_id": user_id, "k": 3}
    before = fallbacks(own)
    with away(engines):
        for n in (1, 2):  # before the watcher has seen it, and after
            answer = recommended(client.post("/recommendations", json=HISTORY), persisted=False)
            assert answer["user_id"] is None
            assert fallbacks(own) == before + n
            refused = client.post("/recommendations", json=user)
            assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (503, True)
            until(own, "/health/ready", database("away"))
    until(own, "/health/ready", database("ok"))
    again = recommended(client.post("/recommendations", json=HISTORY | {"user_id": user_id}), persisted=True)
    assert again["user_id"] == user_id
    assert client.get(f"/users/{user_id}").json()["ratings"] == 1
    recommended(client.post("/recommendations", json=user), persisted=True)
    assert fallbacks(own) == before + 2
