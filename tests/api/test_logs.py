"""The log: a record a line, a line a request, and nothing in it of what clients send.

The routes are found in the OpenAPI document: one that is added later fails here until it is tried.
"""

import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.logs import JsonLines, Lines
from recommender.database import open_engine
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from tests.api.conftest import Service, Stock, copied_stock, eventually, run, serving
from tests.api.test_separation import operations

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PROBES = {"/health/live", "/health/ready", "/metrics"}
JSON_LOG = {"LOG_FORMAT": "json", "REQUEST_LOG": "all"}
LOUD = """
import logging
import api.__main__ as api_main
for name in ("marquee", "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "uvicorn", "asyncio", "fastapi",
             "python_multipart", "passlib", "concurrent.futures"):
    logging.getLogger(name).setLevel(logging.DEBUG)
api_main.main()
"""
INJECTED = """
from opentelemetry import trace
class Injected(trace.TracerProvider):
    def get_tracer(self, *_, **__):
        print("traced", flush=True)
        return trace.NoOpTracer()
trace.set_tracer_provider(Injected())
import api.__main__ as api_main
api_main.main()
"""
# What no log may have. A film that the catalogue has is a history as much as one that it has not.
USERNAME, EMAIL, PASSWORD = (
    "slartibartfast",
    "zaphod.beeblebrox@heartofgold.example.com",
    "vogon poetry reads badly",
)
TOKEN, KEY, NAME = "eyJmb3JnZWQi.bWFnYWxs.c2lnbmVk", "milliways-1978-once", "trillian-of-earth"
TITLE, KNOWN, MOVIE, USER = "Restaurant at the End", "The Matrix (1999)", 1099511628553, 549755826233
GENRE, RATING = "Infinitely Improbable", 4.4375
SECRETS = (
    *("slartib", "beeblebrox", "heartofgold", "vogon", "forged", "bWFnYWxs", "milliways", "trillian"),
    *("Restaurant", "Matrix", "Improbab", str(MOVIE), str(USER), str(RATING), "argon2"),
)
HISTORY: list[dict[str, Any]] = [
    {"title": TITLE, "rating": RATING},
    {"title": KNOWN, "rating": RATING},
    {"movie_id": MOVIE},
]
BODIES: dict[str, Any] = {
    "POST /create-client": {
        "username": USERNAME,
        "name": "Slartibartfast",
        "email": EMAIL,
        "password": PASSWORD,
    },
    "POST /recommendations": {"external_id": NAME, "history": HISTORY},
    "POST /recommendations/batch": {"users": [{"external_id": NAME}, {"user_id": USER}]},
    "POST /recommendations/together": {"members": [{"external_id": NAME}, {"history": HISTORY}]},
    "PUT /client/nightly-lists": {"k": 7},
    "POST /ratings": {"ratings": [{"external_id": NAME, **item} for item in HISTORY]},
    "POST /feedback": {
        "recommendation_id": "018f0000-0000-8000-8000-000000000000",
        "movie_id": 1,
        "event": "rated",
        "rating": RATING,
    },
}
FORMS: dict[str, Any] = {"POST /token": {"username": USERNAME, "password": PASSWORD}}
QUERIES = {
    "query": TITLE,
    "type": "movie",
    "genre": GENRE,
    "day": "2025-06-02",
    "user_id": USER,
    "movie_id": MOVIE,
}
HEADERS = {"Idempotency-Key": KEY, "X-Registration-Key": KEY}
OPEN: dict[str, set[int]] = {"POST /create-client": {401}, "POST /token": {401}}  # for nobody in particular
BAD_ROWS = (
    "ALTER TABLE users ADD CONSTRAINT no_names CHECK (external_id IS NULL) NOT VALID",
    "ALTER TABLE movies_users_rating ADD CONSTRAINT no_marks CHECK (rating = 0) NOT VALID",
)
GOOD_ROWS = (
    "ALTER TABLE users DROP CONSTRAINT no_names",
    "ALTER TABLE movies_users_rating DROP CONSTRAINT no_marks",
)
BAD_SCHEMA = ("REVOKE USAGE ON SCHEMA public FROM PUBLIC, marquee_api",)
GOOD_SCHEMA = ("GRANT USAGE ON SCHEMA public TO PUBLIC, marquee_api",)


def asked(operation: str, described: Any) -> dict[str, Any]:
    """The arguments of a request that says all that this route may be told."""
    if "requestBody" in described:
        assert operation in BODIES or operation in FORMS, f"say in BODIES what {operation} is sent"
    wanted = {one["name"] for one in described.get("parameters", ()) if one["in"] == "query"}
    given = {"params": {name: value for name, value in QUERIES.items() if name in wanted}}
    if operation in FORMS:
        return given | {"data": FORMS[operation]}
    return given | {"json": BODIES[operation]} if operation in BODIES else given


def address(operation: str, value: object) -> tuple[str, str]:
    method, path = operation.split(" ")
    return method, re.sub(r"\{\w+\}", str(value), path)


def requests(operation: str, described: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """One as it should be, and those that are refused for fields, form, path or method."""
    method, path = address(operation, USER)
    whole = asked(operation, described)
    yield method, path, whole
    yield method, path, {"params": {"query": TITLE * 9, "day": TITLE, "limit": TITLE, "k": NAME, NAME: TITLE}}
    yield (
        method,
        path,
        {"json": {NAME: TITLE, "email": EMAIL, "password": [PASSWORD], "history": [{TITLE: KNOWN}]}},
    )
    yield (
        method,
        path,
        {"content": f'{{"{NAME}": {TITLE}'.encode(), "headers": {"Content-Type": "application/json"}},
    )
    yield method, path, {"data": {"username": EMAIL, NAME: TITLE}}
    yield (
        method,
        path,
        whole | {"headers": {"Authorization": f"Bearer {TOKEN}", "X-Request-ID": f"{EMAIL} {NAME}"}},
    )
    yield *address(operation, f"{NAME}/{TITLE}"), whole
    yield *address(operation, f"{TITLE}%0a%1b[31m"), whole
    yield "TRILLIAN", path, whole


@pytest.fixture(scope="module")
def loud(server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A stocked API of this module's own, whose libraries tell all that they can."""
    urls, models = copied_stock(server, stock, tmp_path_factory)
    with serving(urls, models, JSON_LOG, ("-c", LOUD)) as service:
        yield service


def lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def of(service: Service, answer: httpx.Response) -> list[dict[str, Any]]:
    """What was written while this was answered; its own line, which comes after the answer, is last."""
    mine = f'"request_id": "{answer.headers["X-Request-ID"]}"'
    eventually(
        lambda: any(mine in line and "answered" in line for line in service.log.read_text().splitlines())
    )
    return [one for one in lines(service) if one.get("request_id") == answer.headers["X-Request-ID"]]


def test_a_recommendation_is_one_line_with_what_it_was(loud: Service) -> None:
    client = loud.client()
    answer = client.post(
        "/recommendations", json={"history": [{"title": KNOWN}]}, headers={"X-Request-ID": "trace-7"}
    )
    told = answer.json()
    (line,) = of(loud, answer)
    assert TIME.fullmatch(line.pop("time"))
    assert 0 < line.pop("ms") < 10_000
    assert line == {
        "level": "INFO",
        "logger": "marquee.requests",
        "message": "answered",
        "request_id": "trace-7",
        "client_id": client.get("/client").json()["client_id"],
        "method": "POST",
        "route": "/recommendations",
        "status": 200,
        "recommendation_id": told["recommendation_id"],
        "model_version": told["model_version"],
        "source": "model",
    }


def test_a_request_sent_again_names_the_same_recommendation(loud: Service) -> None:
    client, body = loud.client(), {"history": [{"title": KNOWN}]}
    sent = [client.post("/recommendations", json=body, headers={"Idempotency-Key": "once"}) for _ in "ab"]
    assert len({of(loud, answer)[-1]["recommendation_id"] for answer in sent}) == 1


def test_a_batch_says_how_many_and_feedback_of_which(loud: Service) -> None:
    client = loud.client()
    made = [client.post("/recommendations", json={"history": [{"title": KNOWN}]}).json() for _ in "ab"]
    batch = client.post(
        "/recommendations/batch", json={"users": [{"user_id": one["user_id"]} for one in made]}
    )
    line = of(loud, batch)[-1]
    assert (line["lists"], line["model_version"]) == (2, made[0]["model_version"])
    assert not {"recommendation_id", "source"} & line.keys()
    event = {"recommendation_id": made[0]["recommendation_id"], "movie_id": 1, "event": "shown"}
    (line,) = of(loud, client.post("/feedback", json=event))
    assert line["recommendation_id"] == made[0]["recommendation_id"]


class Rounds:
    """Every route asked again and again, in the same words; what was answered is kept."""

    def __init__(self, service: Service) -> None:
        self.document = service.http.get("/openapi.json").json()
        self.client = service.client()
        self.token = self.client.headers["Authorization"].removeprefix("Bearer ")
        self.seen: dict[str, set[int]] = {name: set() for name, _ in operations(self.document)}

    def go(self, tries: int | None = None) -> None:
        for name, described in operations(self.document):
            for method, path, given in list(requests(name, described))[:tries]:
                headers = HEADERS | given.get("headers", {})
                self._send(name, method, path, given | {"headers": headers})

    def go_with_a_user(self) -> None:
        for name, _ in operations(self.document):
            if "{user_id}" in name:
                made = {"external_id": f"{NAME} of {name}", "history": HISTORY}
                user_id = self.client.post("/recommendations", json=made).json()["user_id"]
                self._send(name, *address(name, user_id), {})

    def _send(self, name: str, method: str, path: str, given: dict[str, Any]) -> None:
        self.seen[name].add(self.client.request(method, path, **given).status_code)


@contextmanager
def broken(service: Service, breaks: Iterable[str], mends: Iterable[str]) -> Iterator[None]:
    owner = open_engine(service.urls.admin)
    for statement in breaks:
        run(owner, statement)
    yield
    for statement in mends:
        run(owner, statement)
    owner.dispose()


def test_nothing_that_clients_send_reaches_the_log_on_any_route_even_when_it_fails(loud: Service) -> None:
    rounds = Rounds(loud)
    rounds.go()
    rounds.go_with_a_user()
    rounds.client.post("/recommendations", content=TITLE.encode() * 100_000, headers=HEADERS)
    with broken(loud, BAD_ROWS, GOOD_ROWS):
        rows = [rounds.client.post("/ratings", json=BODIES["POST /ratings"])]
        rows.append(
            rounds.client.post("/recommendations", json={"external_id": f"{NAME}-2", "history": HISTORY})
        )
        rounds.go(1)
    with broken(loud, BAD_SCHEMA, GOOD_SCHEMA):
        rounds.go(1)
    assert [answer.status_code for answer in rows] == [500, 500]
    for name, statuses in rounds.seen.items():
        wanted = {405} if name.split()[1] in PROBES else {401, 405, 500} - OPEN.get(name, set())
        assert statuses >= wanted, name
    assert {200, 204} & rounds.seen["DELETE /users/{user_id}"]
    log = loud.log.read_text().lower()
    for secret in (*SECRETS, rounds.token, rounds.token.split(".")[2]):
        assert secret.lower() not in log, secret
    assert "SQLSTATE 23514 new row" in of(loud, rows[1])[0]["stack"]
    told = [one for one in lines(loud) if one["message"] == "answered"]
    assert {one["method"] for one in told} == {"GET", "POST", "PUT", "DELETE", "other"}
    templates = set(rounds.document["paths"]) - PROBES
    assert {one.get("route") for one in told} == templates | {None}


def test_an_unforeseen_error_is_one_line_with_its_stack(loud: Service) -> None:
    client = loud.client()
    refuse, allow = "REVOKE SELECT ON clients FROM marquee_api", "GRANT SELECT ON clients TO marquee_api"
    with broken(loud, [refuse], [allow]):
        answer = client.get("/client")
    failed, line = of(loud, answer)
    assert (failed["level"], failed["message"], failed["route"]) == ("ERROR", "the request failed", "/client")
    assert "api/clients.py" in failed["stack"]
    assert failed["stack"].splitlines()[-1].endswith("SQLSTATE 42501 permission denied for table clients")
    assert (line["status"], line["client_id"]) == (500, failed["client_id"])


@pytest.mark.parametrize("form", ["json", "line"])
def test_nobody_forges_a_line(serve: Callable[..., Service], form: str) -> None:
    service = serve(LOG_FORMAT=form, REQUEST_LOG="all")
    port = httpx.URL(service.url).port or 80
    for path in (b"/users/%0a%0d%1b[31mFORGED", b"/\xe2\x80\xa8FORGED", b"/FORGED\x0bFORGED"):
        for name in (b"ok\r\n FORGED", b"\x1b[31mFORGED", b"\xe2\x80\xa8FORGED", b"a\x85FORGED"):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
                head = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: %s\r\n\r\n"
                line.sendall(head % (path, name))
                assert line.recv(1000).startswith(b"HTTP/1.1 4")
    log = service.log.read_text()
    assert "uvicorn.error" in log, "the server's own record of what is no HTTP passes through the same form"
    assert "FORGED" not in log
    for each in log.splitlines():
        assert TIME.match(json.loads(each)["time"] if form == "json" else each), each


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"SLOW_MS": "60000"}, []),
        ({"REQUEST_LOG": "all"}, [200, 401, 404]),
        ({"REQUEST_LOG": "none", "SLOW_MS": "0.001"}, []),
        ({"SLOW_MS": "0.001"}, [200, 401, 404]),
    ],
)
def test_which_requests_have_a_line_is_a_setting(
    serve: Callable[..., Service], settings: dict[str, str], told: list[int]
) -> None:
    service = serve(LOG_FORMAT="json", **settings)
    for path in ("/openapi.json", "/client", "/nothing", *PROBES):
        service.http.get(path)
    service.process.terminate()
    service.process.wait(20)
    assert [one["status"] for one in lines(service) if one["logger"] == "marquee.requests"] == told


def test_what_ends_the_process_is_one_line_too() -> None:
    program = "import sys, api.logs; api.logs.open_logs('json'); float(sys.argv[1])"
    ended = subprocess.run(
        [sys.executable, "-c", program, f"{TITLE}'s \"{NAME}"], capture_output=True, text=True, timeout=60
    )
    line = json.loads(ended.stderr)
    assert (line["level"], line["message"]) == ("CRITICAL", "the process ends after an error nobody foresaw")
    assert line["stack"].splitlines()[-1] == "builtins.ValueError: could not convert string to float: '...'"


def test_a_librarys_record_is_its_first_line() -> None:
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, f"Task failed\nfuture: {TITLE}", None, None)
    assert json.loads(JsonLines().format(record))["message"] == "Task failed"
    assert Lines().format(record).endswith(" ERROR asyncio: Task failed")


def test_on_a_terminal_a_stack_stands_below_its_line() -> None:
    try:
        raise RuntimeError("gone\x1b[2J wrong")
    except RuntimeError:
        record = logging.LogRecord("marquee.api", logging.ERROR, "", 0, "a\nb", None, sys.exc_info())
    first, *below = Lines().format(record).split("\n")
    assert first.endswith(" ERROR marquee.api: a\\nb")
    assert all(line.startswith("    ") for line in below)
    assert below[-1] == "    builtins.RuntimeError: gone\\x1b[2J wrong"


def test_a_tracer_that_somebody_injects_hears_nothing(urls: PerRole[str], tmp_path: Path) -> None:
    with serving(urls, tmp_path, {}, ("-c", INJECTED)) as service:
        service.http.get("/movies", params={"query": TITLE})
        assert "traced" not in service.log.read_text()
