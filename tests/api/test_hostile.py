"""Whatever anybody sends is answered with a 2xx or a 4xx, or the line is closed, and nothing of it stays."""

from collections.abc import Callable

import httpx
import pytest

from tests.api.conftest import Service
from tests.api.test_limits import LIMIT, resident_bytes
from tests.chaos import malformed
from tests.chaos.hostile import JSON, Hostile, Route, bodies, routes
from tests.chaos.talk import PIECE, Told, chunked, head, pieces, talk

TEN_MB = 10 * 2**20
BIG = b" " * TEN_MB
WAIT_S = 0.02  # for an early answer, after each piece
ROUNDS = 12
GROWTH = 6 * 2**20
HASTY = "import api.limits, api.__main__ as api_main; api.limits.BODY_S = 0.3; api_main.main()"


def address(service: Service) -> tuple[str, int]:
    url = httpx.URL(service.url)
    return url.host, url.port or 80


@pytest.fixture(scope="module")
def headers(stocked: Service) -> dict[str, str]:
    token = stocked.token(stocked.register()["username"])
    return {"Host": "x", "Authorization": f"Bearer {token}", "Content-Type": JSON}


def sent(service: Service, headers: dict[str, str], route: Route, hostile: Hostile) -> Told:
    told = {"Content-Type": route.kind, "Content-Length": str(len(hostile.body)), "Connection": "close"}
    first = head(route.method, route.path, headers | told | hostile.headers)
    return talk(address(service), first, pieces(hostile.body))


def shrugged(told: Told) -> bool:
    return told.status is not None and (200 <= told.status < 300 or 400 <= told.status < 500)


@pytest.mark.parametrize("route", routes(), ids=lambda route: route.name)
def test_no_body_is_a_5xx(stocked: Service, headers: dict[str, str], route: Route) -> None:
    told = {each.name: sent(stocked, headers, route, each) for each in bodies(route, everywhere=False)}
    assert {name: each.answer for name, each in told.items() if not shrugged(each)} == {}


@pytest.mark.full
@pytest.mark.parametrize("route", routes(), ids=lambda route: route.name)
def test_no_body_is_a_5xx_whatever_stands_in_whichever_place(
    stocked: Service, headers: dict[str, str], route: Route
) -> None:
    told = {each.name: sent(stocked, headers, route, each) for each in bodies(route, everywhere=True)}
    assert {name: each.answer for name, each in told.items() if not shrugged(each)} == {}


def test_what_is_no_http_is_refused_or_the_line_is_closed(stocked: Service, headers: dict[str, str]) -> None:
    told = {each.name: talked(stocked, each) for each in malformed.requests(headers)}
    assert {name: each.answer for name, each in told.items() if each.answer and not shrugged(each)} == {}
    assert stocked.http.get("/health/ready").status_code == 200
    assert "Traceback" not in stocked.log.read_text()


def talked(service: Service, request: malformed.Malformed) -> Told:
    return talk(address(service), request.first, request.body, end=True)


@pytest.mark.parametrize("route", routes(), ids=lambda route: route.name)
def test_ten_megabytes_are_refused_before_one_of_them_is_sent(
    stocked: Service, headers: dict[str, str], route: Route
) -> None:
    kind = {"Content-Type": route.kind, "Content-Length": str(TEN_MB)}
    told = talk(address(stocked), head(route.method, route.path, headers | kind))
    assert (told.status, told.sent, told.closed) == (413, 0, True)


def test_ten_megabytes_without_a_length_are_cut_off_at_the_limit(
    stocked: Service, headers: dict[str, str]
) -> None:
    first = head("POST", "/recommendations", headers | {"Transfer-Encoding": "chunked"})
    told = talk(address(stocked), first, chunked(pieces(BIG)), WAIT_S)
    assert (told.status, told.closed) == (413, True)
    assert LIMIT < told.sent < LIMIT + 4 * PIECE


def test_a_body_that_does_not_come_is_given_up(serve: Callable[..., Service]) -> None:
    service = serve(("-c", HASTY))
    for length in ({"Content-Length": "100"}, {"Transfer-Encoding": "chunked"}):
        headers = {"Host": "x", "Content-Type": JSON} | length
        told = talk(address(service), head("POST", "/create-client", headers), [b"2\r\n{ "])
        assert (told.status, told.closed) == (408, True)
        assert told.seconds < 5


@pytest.mark.full
@pytest.mark.timeout(900)
def test_memory_does_not_grow(stocked: Service, headers: dict[str, str]) -> None:
    """After a few rounds, in which caches fill and the allocator gets what it needs."""
    sizes = []
    for _ in range(ROUNDS):
        for route in routes():
            for hostile in bodies(route, everywhere=False):
                sent(stocked, headers, route, hostile)
        for request in malformed.requests(headers):
            talked(stocked, request)
        for _ in range(10):
            first = head("POST", "/recommendations", headers | {"Transfer-Encoding": "chunked"})
            talk(address(stocked), first, chunked(pieces(BIG)))
        sizes.append(resident_bytes(stocked))
    print("MiB after each round:", *(size >> 20 for size in sizes))  # noqa: T201
    assert min(sizes[ROUNDS // 2 :]) - max(sizes[: ROUNDS // 2]) < GROWTH
