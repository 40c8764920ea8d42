"""Whatever goes wrong is said as application/problem+json, in words that give nothing away."""

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from recommender.local.urls import PerRole
from tests.api.conftest import PASSWORD, Service, run

JSON = {"Content-Type": "application/json"}
NEW = {
    "username": "northflix",
    "name": "Northflix",
    "email": "ops@northflix.example.com",
    "password": PASSWORD,
}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert {"type", "title", "detail"} <= told.keys()
    return told


@pytest.mark.parametrize("path", ["/", "/nothing", "/client/", "//client", "/docs/", "/%00", "/%ff"])
def test_an_address_that_does_not_exist_is_a_404_and_never_a_redirect(service: Service, path: str) -> None:
    problem(service.http.get(path), 404)


def test_a_wrong_method_is_told_which_ones_there_are(service: Service) -> None:
    answer = service.http.put("/users/1")
    problem(answer, 405)
    assert answer.headers["Allow"] == "DELETE, GET"


@pytest.mark.parametrize(
    "body", [b"{", b"nothing", b"\xff\xfe", b'{"name": 1' + b"0" * 5000 + b"}", b"[" * 100_000]
)
def test_a_body_that_is_not_json_is_a_400(service: Service, body: bytes) -> None:
    problem(service.http.post("/create-client", content=body, headers=JSON), 400)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"text"', b"1"])
def test_json_that_is_no_object_is_a_422_of_the_body(service: Service, body: bytes) -> None:
    told = problem(service.http.post("/create-client", content=body, headers=JSON), 422)
    assert [fault["field"] for fault in told["errors"]] == ["body"]


def test_a_body_that_does_not_say_it_is_json_is_a_422(service: Service) -> None:
    problem(service.http.post("/create-client", content=json.dumps(NEW)), 422)


def test_a_field_deep_in_a_body_is_named_by_its_place(service: Service) -> None:
    body = {"history": [{"movie_id": 1}, {"movie_id": 1, "rating": 9}]}
    told = problem(service.client().post("/recommendations", json=body), 422)
    assert [fault["field"] for fault in told["errors"]] == ["history[1].rating"]


def test_many_faults_are_counted_and_the_first_are_named(service: Service) -> None:
    body = NEW | {f"field_{n}": 1 for n in range(500)}
    told = problem(service.http.post("/create-client", json=body), 422)
    assert "500" in told["detail"]
    assert len(told["errors"]) == 20


def test_a_field_whose_name_is_half_a_surrogate_pair_can_be_named(service: Service) -> None:
    body = json.dumps({"preferences": {"\ud800": 5}})
    told = problem(service.client().post("/recommendations", content=body, headers=JSON), 422)
    assert {fault["field"].split(".")[0] for fault in told["errors"]} == {"preferences"}


@pytest.mark.parametrize("user_id", ["0", "-1", str(2**63), "1" * 400, "one", "1.5", "%00"])
def test_an_id_that_no_row_can_have_is_a_422_of_that_id(service: Service, user_id: str) -> None:
    told = problem(service.client().get(f"/users/{user_id}"), 422)
    assert [fault["field"] for fault in told["errors"]] == ["user_id"]


def test_an_unforeseen_error_says_only_where_the_log_has_it(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    service = serve()
    with engines.owner.begin() as connection:
        connection.execute(text("REVOKE EXECUTE ON FUNCTION client_for_token FROM marquee_api"))
    answer = service.http.post("/token", data={"username": "north", "password": PASSWORD})
    problem(answer, 500)
    assert "client_for_token" not in answer.text
    log = service.log.read_text()
    assert f"the request failed request_id={answer.headers['X-Request-ID']} method=POST route=/token" in log
    assert PASSWORD not in log


def test_the_log_of_an_unforeseen_error_says_where_and_not_whose(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    run(engines.admin, "INSERT INTO movies (title, title_key, year) VALUES ('Alien', 'alien', 1979)")
    run(engines.admin, "ALTER TABLE users ADD CONSTRAINT nobody CHECK (external_id IS NULL)")
    service = serve()
    asked = {"external_id": "trillian-of-earth", "history": [{"title": "Alien", "rating": 3.5}]}
    answer = service.client().post("/recommendations", json=asked)
    problem(answer, 500)
    log = service.log.read_text()
    request_id = answer.headers["X-Request-ID"]
    assert f"failed request_id={request_id} client_id=1 method=POST route=/recommendations" in log
    assert "SQLSTATE 23514 new row for relation" in log
    assert "api/recommendations.py" in log
    for word in ("trillian", "DETAIL", "[parameters", "[SQL"):
        assert word not in log


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_a_moment_that_has_no_utc_is_a_422(stocked: Service, moment: str) -> None:
    body = {"history": [{"title": "The Matrix (1999)", "rated_at": moment}]}
    told = problem(stocked.client().post("/recommendations", json=body), 422)
    assert [fault["field"] for fault in told["errors"]] == ["history[0].rated_at"]


@pytest.mark.parametrize("name", ["a\x00b", "\x00é", "\udfff", "é\ud800"])
def test_a_text_that_postgres_or_json_cannot_hold_is_a_422(service: Service, name: str) -> None:
    body = json.dumps(NEW | {"name": name})
    told = problem(service.http.post("/create-client", content=body, headers=JSON), 422)
    assert [fault["field"] for fault in told["errors"]] == ["name"]


@pytest.mark.parametrize("name", ["plain", "Amélie", "映画 🎬"])
def test_any_other_text_is_kept_as_it_is(service: Service, name: str) -> None:
    new = service.register(name=name)
    assert service.signed(service.token(new["username"])).get("/client").json()["name"] == name


def test_a_request_keeps_a_sane_id_of_its_own(service: Service) -> None:
    answer = service.http.get("/health/live", headers={"X-Request-ID": "trace-17.a_b"})
    assert answer.headers["X-Request-ID"] == "trace-17.a_b"


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "<script>"])
def test_any_other_request_gets_an_id(service: Service, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    answers = [service.http.get(path, headers=headers) for path in ("/health/live", "/nothing", "/client")]
    ids = {answer.headers["X-Request-ID"] for answer in answers}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)


def test_bytes_that_are_no_http_harm_nobody_else(service: Service) -> None:
    host, port = service.http.base_url.host, service.http.base_url.port
    for noise in (
        b"\x16\x03\x01\x00\xff\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ):
        with socket.create_connection((host, port or 80), timeout=5) as line:
            line.sendall(noise)
            assert line.recv(1000).startswith(b"HTTP/1.1 4")
    assert service.http.get("/health/live").status_code == 200


def test_every_error_in_the_document_is_a_problem(service: Service) -> None:
    document = service.http.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path != "/health/ready":
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]
