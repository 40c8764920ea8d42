"""A client's turn: every request gives it back, however it ends, and one that works long holds up nobody."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from jose import jwt

from api import tokens as module
from api.tokens import Tokens
from api.turns import Turns
from recommender.errors import Refused
from recommender.local.postgres import Server
from tests.api.conftest import KEYS, Service, Stock, copied_stock, eventually, serving

LIMIT = 1 << 20
SECRETS = dict(pair.split(":") for pair in KEYS.split(","))


@pytest.fixture(scope="module")
def single(server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A client has one turn there."""
    with serving(*copied_stock(server, stock, tmp_path_factory), {"DB_POOL": "2"}) as service:
        yield service


@pytest.fixture(scope="module")
def client(single: Service) -> httpx.Client:
    return single.client()


def at_once(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/recommendations", json=body or {"preferences": {"Drama": 5}})
    assert answer.status_code == 200, answer.text
    assert answer.elapsed.total_seconds() < 3  # a turn that is missing is waited for longer
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, {"json": {}}),
        (400, {"content": "{", "headers": {"Content-Type": "application/json"}}),
        (404, {"json": {"user_id": 2**40}}),
        (422, {"json": {"k": 0}}),
        (422, {"json": {"history": [{"movie_id": 2**40}]}}),
        (422, {"json": {"preferences": {"Drama": 5}}, "headers": {"Idempotency-Key": "x" * 201}}),
        (413, {"content": b" " * (LIMIT + 1)}),
        (401, {"json": {"preferences": {"Drama": 5}}, "headers": {"Authorization": "Bearer nothing"}}),
    ],
)
def test_a_request_that_fails_gives_its_turn_back(
    client: httpx.Client, status: int, request_: dict[str, Any]
) -> None:
    for _ in range(3):
        assert client.post("/recommendations", **request_).status_code == status
    at_once(client)


def test_who_goes_before_the_answer_gives_the_turn_back(single: Service, client: httpx.Client) -> None:
    user = at_once(client)["user_id"]
    bodies = [
        {"user_id": user},
        {"history": [{"movie_id": 1}]},
        {"preferences": {"Drama": 5}, "diversity": 1},
    ]
    for body in [json.dumps(body).encode() for body in bodies] * 3:
        for sent in (body, body[:-3]):  # whole, and broken off
            _send_and_go(single, client, sent, len(body))
    at_once(client)


def _send_and_go(service: Service, client: httpx.Client, body: bytes, length: int) -> None:
    head = (
        f"POST /recommendations HTTP/1.1\r\nHost: h\r\nAuthorization: {client.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    url = httpx.URL(service.url)
    with socket.create_connection((url.host, url.port)) as line:
        line.sendall(head.encode() + body)


def test_a_request_of_one_client_that_works_long_holds_up_no_other(single: Service) -> None:
    """The longest history for the longest list: half a second of work, beside which others are answered."""
    movies = [movie["movie_id"] for movie in client_movies(single.client())]
    history = [{"movie_id": movies[n % len(movies)], "rating": 1 + n % 5} for n in range(10_000)]
    long = {"history": history, "k": 100, "exclude": movies[:1_000]}
    slow, quick = single.client(), single.client()
    at_once(quick)
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(slow.post, "/recommendations", json=long)
        waits = [_seconds(quick) for _ in range(5)]
        while not working.done():
            waits.append(_seconds(quick))
        assert working.result().status_code == 200
    assert sum(waits) / len(waits) < working.result().elapsed.total_seconds() / 2


def client_movies(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: int | None = 0
    while cursor is not None:
        page = client.get("/movies", params={"limit": 200, "cursor": cursor}).json()
        found, cursor = found + page["movies"], page["next_cursor"]
    return found


def _seconds(client: httpx.Client) -> float:
    began = time.perf_counter()
    assert client.get("/client").status_code == 200
    return time.perf_counter() - began


def test_turns_are_taken_one_after_the_other_and_forgotten_with_the_last() -> None:
    async def acted() -> None:
        turns, order = Turns(1), list[int]()

        async def work(number: int) -> None:
            async with turns.of(7):
                order.append(number)
                await asyncio.sleep(0)

        working = [asyncio.create_task(work(number)) for number in range(6)]
        await asyncio.sleep(0)
        working[3].cancel()  # who goes while waiting takes nobody's turn along
        await asyncio.gather(*working, return_exceptions=True)
        assert order == [0, 1, 2, 4, 5]
        async with turns.of(8), turns.of(7):
            pass

    asyncio.run(acted())


def test_a_token_that_was_seen_before_expires_all_the_same() -> None:
    tokens = Tokens(SECRETS, 60)
    now = int(time.time())
    claims = {
        "sub": "5",
        "iat": now,
        "exp": now - 4,
        "jti": "x",
        "iss": module.ISSUER,
        "aud": module.AUDIENCE,
    }
    token = jwt.encode(claims, SECRETS["now"], "HS256", headers={"kid": "now"})
    assert tokens.client_of(token) == tokens.client_of(token) == 5
    eventually(lambda: _refused(tokens, token))
    fewer = Tokens({"old": SECRETS["old"]}, 60)  # the key is gone with the process that knew it
    with pytest.raises(Refused):
        fewer.client_of(tokens.sign(5))


def _refused(tokens: Tokens, token: str) -> bool:
    try:
        tokens.client_of(token)
    except Refused:
        return True
    return False


def test_what_is_remembered_of_tokens_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN", 20)
    tokens = Tokens(SECRETS, 60)
    for number in range(50):
        token = tokens.sign(number)
        longer = token + "!" * 10_000  # which base64 skips
        assert tokens.client_of(token) == tokens.client_of(longer) == tokens.client_of(token) == number
    known = tokens._known
    assert len(known) <= 20
    assert max(map(len, known)) <= module.LONGEST
