"""Nightly lists: a client asks for them, and gets its own users' lists and nobody else's."""

import json
import socket
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from api.nightly_lists import PAGE
from recommender.learning.nightly import recommend_all
from recommender.model_store import ModelStore
from tests.api.conftest import Service, run

DAY = "2026-01-31"
HISTORIES: list[list[dict[str, Any]]] = [[{"movie_id": 1}], [{"movie_id": 2}, {"movie_id": 3, "rating": 1}]]


@pytest.fixture(scope="module")
def admin(own: Service) -> Iterator[Engine]:
    engine = create_engine(own.urls.admin)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def asking(own: Service) -> Iterator[httpx.Client]:
    """A client with two users of its own, and lists of the night."""
    client = own.client()
    for number, history in enumerate(HISTORIES):
        body = {"external_id": f"viewer {number}", "history": history}
        assert client.post("/recommendations", json=body).status_code == 200
    assert client.put("/client/nightly-lists", json={"k": 7}).status_code == 200
    make_lists(own)
    yield client


def make_lists(service: Service) -> None:
    engine = create_engine(service.urls.pipeline)
    recommend_all(engine, ModelStore.at(service.models, service.models), date.fromisoformat(DAY), silent)
    engine.dispose()


def silent(_stage: str, _done: int, _total: int) -> None: ...


def export(client: httpx.Client, day: str = DAY) -> list[Any]:
    answer = client.get("/recommendations/export", params={"day": day})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_client_asks_for_lists_and_stops(own: Service) -> None:
    client = own.client()
    assert client.get("/client").json()["nightly_k"] is None
    for k in (20, 1, 100, None):
        assert client.put("/client/nightly-lists", json={"k": k}).json()["nightly_k"] == k
        assert client.get("/client").json()["nightly_k"] == k


@pytest.mark.parametrize("body", [{"k": 0}, {"k": 101}, {"k": "many"}, {}, {"k": 5, "day": DAY}])
def test_a_length_outside_the_bounds_is_refused(own: Service, body: Any) -> None:
    assert own.client().put("/client/nightly-lists", json=body).status_code == 422


def test_one_client_asking_leaves_the_others_as_they_are(own: Service, asking: httpx.Client) -> None:
    other = own.client()
    other.put("/client/nightly-lists", json={"k": 3})
    assert asking.get("/client").json()["nightly_k"] == 7


def test_each_line_is_the_list_that_a_request_would_get(asking: httpx.Client) -> None:
    lines = export(asking)
    assert [line["external_id"] for line in lines] == ["viewer 0", "viewer 1"]
    for line in lines:
        asked = asking.post("/recommendations", json={"user_id": line["user_id"], "k": 7}).json()
        assert (line["version"], line["source"]) == (asked["model_version"], asked["source"])
        listed = [
            (pick["movie_id"], pytest.approx(pick["score"], rel=1e-4)) for pick in line["recommendations"]
        ]
        assert [(movie["movie_id"], movie["score"]) for movie in asked["recommendations"]] == listed


def test_a_client_sees_only_its_own_lists(own: Service, asking: httpx.Client) -> None:
    other = own.client()
    other.put("/client/nightly-lists", json={"k": 2})
    mine = other.post("/recommendations", json={"history": [{"movie_id": 5}]}).json()["user_id"]
    assert other.get("/recommendations/export", params={"day": DAY}).status_code == 404
    make_lists(own)
    assert [line["user_id"] for line in export(other)] == [mine]
    assert mine not in {line["user_id"] for line in export(asking)}


def test_a_day_without_lists_is_a_404_that_names_it(asking: httpx.Client) -> None:
    answer = asking.get("/recommendations/export", params={"day": "2020-02-02"})
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "2020-02-02" in answer.json()["detail"]


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", ""])
def test_a_day_that_is_none_is_refused(asking: httpx.Client, day: str) -> None:
    answer = asking.get("/recommendations/export", params={"day": day})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "day")


def test_a_deleted_users_list_is_gone_and_an_export_of_the_user_holds_it(
    own: Service, asking: httpx.Client
) -> None:
    client = own.client()
    client.put("/client/nightly-lists", json={"k": 4})
    users = [client.post("/recommendations", json={"history": h}).json()["user_id"] for h in HISTORIES]
    make_lists(own)
    kept = client.get(f"/users/{users[0]}/export").json()["nightly_lists"]
    assert [(row["day"], len(row["movie_ids"])) for row in kept] == [(DAY, 4)]
    assert client.delete(f"/users/{users[0]}").status_code == 204
    assert [line["user_id"] for line in export(client)] == users[1:]


MANY = 2 * PAGE + 10
PLANTED = """
    WITH made AS (
        INSERT INTO users (client_id) SELECT :client FROM generate_series(1, :many)
        RETURNING client_id, user_id
    )
    INSERT INTO nightly_lists (client_id, user_id, day, version, source, movie_ids, scores)
    SELECT client_id, user_id, '2026-01-31', 'v', 'popular', array_fill(9::bigint, ARRAY[100]),
           array_fill(0.25::real, ARRAY[100]) FROM made
"""


@pytest.fixture(scope="module")
def large(own: Service, admin: Engine) -> httpx.Client:
    """A client whose lists fill more than two pages: some 3 MB."""
    client = own.client()
    run(admin, PLANTED, client=client.get("/client").json()["client_id"], many=MANY)
    return client


def slow(service: Service, client: httpx.Client) -> httpx.Client:
    """The same client where the kernel does not read ahead of it."""
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)]
    transport = httpx.HTTPTransport(socket_options=options)
    return httpx.Client(base_url=service.url, headers=client.headers, transport=transport)


def test_pages_follow_each_other_without_a_gap_or_a_repetition(large: httpx.Client) -> None:
    users = [line["user_id"] for line in export(large)]
    assert len(users) == MANY
    assert users == sorted(set(users))


def test_slow_readers_hold_neither_connections_nor_turns(
    own: Service, admin: Engine, large: httpx.Client
) -> None:
    """More of them than the process has connections, each with most of its lists still to come."""
    sessions = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND xact_start IS NOT NULL")
    with slow(own, large) as reader:
        streams = [reader.stream("GET", f"/recommendations/export?day={DAY}") for _ in range(12)]
        answers = [stream.__enter__() for stream in streams]
        try:
            assert {answer.status_code for answer in answers} == {200}
            asked = [large.get("/client").status_code for _ in range(20)]
            assert asked == [200] * 20
            with admin.connect() as connection:
                held = connection.execute(sessions, {"name": admin.url.database}).scalar_one()
            assert held <= 3  # this one, and the two threads beside the requests
            assert len(list(answers[0].iter_lines())) == MANY
        finally:
            for stream in streams:
                stream.__exit__(None, None, None)


def test_a_client_that_is_disabled_meanwhile_gets_no_further_page(
    own: Service, admin: Engine, large: httpx.Client
) -> None:
    username = large.get("/client").json()["username"]
    disable = "UPDATE clients SET status = :status WHERE username = :name"
    export_day = f"/recommendations/export?day={DAY}"
    with slow(own, large) as reader, reader.stream("GET", export_day) as answer:
        lines = answer.iter_lines()
        next(lines)
        run(admin, disable, status="disabled", name=username)
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
    run(admin, disable, status="active", name=username)
    assert len(export(large)) == MANY
