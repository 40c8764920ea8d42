"""How often, from where, and how much: what one caller may ask for."""

import resource
import socket
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path

import pytest
from starlette.requests import Request

from api.limits import Rate, address_of
from tests.api.conftest import PASSWORD, Service

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXY = "10.1.2.3"
LIMIT = 2**20
JSON = {"Content-Type": "application/json"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_a_burst_pass_and_then_one_at_a_time() -> None:
    clock = Clock()
    rate = Rate(per_s=0.5, burst=3, clock=clock)
    assert [rate.wait_s("a") for _ in range(4)] == [0, 0, 0, 2]
    clock.now = 1
    assert rate.wait_s("a") == 1
    clock.now = 2
    assert [rate.wait_s("a") for _ in range(2)] == [0, 2]


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    rate = Rate(per_s=1, burst=2, clock=clock)
    rate.wait_s("a")
    clock.now = 1000
    assert [rate.wait_s("a") for _ in range(3)] == [0, 0, 1]


def test_callers_do_not_spend_each_others_turns() -> None:
    rate = Rate(per_s=1, burst=1, clock=Clock())
    assert [rate.wait_s(key) for key in ("a", "b", "a")] == [0, 0, 1]


def test_the_caller_unseen_longest_is_forgotten_first() -> None:
    rate = Rate(per_s=1, burst=1, keys=2, clock=Clock())
    for key in ("a", "b", "a", "c"):
        rate.wait_s(key)
    assert [rate.wait_s(key) > 0 for key in ("a", "c", "b")] == [True, True, False]


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        (PROXY, "198.51.100.1", "198.51.100.1"),
        (PROXY, "203.0.113.5, 198.51.100.1", "198.51.100.1"),
        (PROXY, "203.0.113.5, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        (PROXY, "10.0.0.9", "10.0.0.9"),
        (PROXY, None, PROXY),
        (PROXY, "", PROXY),
        (PROXY, "203.0.113.5, <script>", PROXY),
        (PROXY, "203.0.113.5, unknown, 10.9.9.9", "10.9.9.9"),
        (PROXY, "203.0.113.5, 198.51.100.1:5612", "198.51.100.1"),
        (PROXY, "198.51.100.1:5612, 10.9.9.9:80", "198.51.100.1"),
        (PROXY, "[2001:db8:1:2::3]:5612", "2001:db8:1:2::/64"),
        (PROXY, "[2001:db8:1:2::3]", "2001:db8:1:2::/64"),
        (PROXY, "198.51.100.1:", PROXY),
        ("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_the_caller_is_the_nearest_address_that_is_no_trusted_proxy(
    peer: str, forwarded: str | None, seen: str
) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})
    assert address_of(request, PROXIES) == seen


def test_headers_on_several_lines_are_read_as_one() -> None:
    lines = [(b"x-forwarded-for", b"203.0.113.5"), (b"x-forwarded-for", b"198.51.100.1, 10.0.0.9")]
    request = Request({"type": "http", "client": (PROXY, 1), "headers": lines})
    assert address_of(request, PROXIES) == "198.51.100.1"


def from_address(service: Service, address: str, username: str) -> tuple[int, bool]:
    """The status, and whether the wait that is told is half a minute, less what the sign-ins took."""
    form = {"username": username, "password": "x"}
    answer = service.http.post("/token", data=form, headers={"X-Forwarded-For": address})
    return answer.status_code, 15 < int(answer.headers.get("Retry-After", 0)) <= 30


def test_rates_are_kept_by_address_by_username_and_by_client(serve: Callable[..., Service]) -> None:
    strict = serve(TOKEN_RATE="2", CREATE_RATE="2", CLIENT_RATE="1", TRUSTED_PROXIES="127.0.0.1")
    same_address = [from_address(strict, "192.0.2.1", f"name-{n}") for n in range(3)]
    assert same_address == [(401, False), (401, False), (429, True)]

    same_name = [from_address(strict, f"192.0.2.{n}", "Victim") for n in range(2, 5)]
    assert same_name == [(401, False), (401, False), (429, True)]

    wrong = [strict.http.post("/create-client", json={}).status_code for _ in range(3)]
    assert wrong == [422, 422, 429]

    headers = {"X-Forwarded-For": "192.0.2.99"}
    new = {"username": "north", "name": "N", "email": "n@example.com", "password": PASSWORD}
    assert strict.http.post("/create-client", json=new, headers=headers).status_code == 201
    token = strict.http.post("/token", data=new, headers=headers).json()["access_token"]
    client = strict.signed(token)
    assert [client.get("/client").status_code for _ in range(3)] == [200, 200, 429]


def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_said(service: Service) -> None:
    said = service.http.post("/create-client", content=b" " * (LIMIT + 1), headers=JSON)
    streamed = service.http.post("/create-client", content=(b" " * 2**16 for _ in range(17)), headers=JSON)
    for answer in (said, streamed):
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert str(LIMIT) in answer.json()["detail"]


def test_headers_without_end_are_refused_and_not_kept(service: Service) -> None:
    head = b"GET /client HTTP/1.1\r\n" + b"X-Filler: " + b"x" * 2**20
    address = (service.http.base_url.host, service.http.base_url.port or 80)
    before = resident_bytes(service)
    with ExitStack() as lines:
        for _ in range(16):
            line = lines.enter_context(socket.create_connection(address, timeout=5))
            assert answer_of(line, head)[9:12] in (b"400", b"")
        assert resident_bytes(service) - before < 8 * 2**20
    assert service.http.get("/health/live").status_code == 200


def answer_of(line: socket.socket, content: bytes) -> bytes:
    """Empty when the line is closed without a word."""
    try:
        line.sendall(content)
        return line.recv(1000)
    except ConnectionError:
        return b""


def resident_bytes(service: Service) -> int:
    pages = Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def test_a_body_of_exactly_the_limit_is_read(service: Service) -> None:
    answer = service.http.post("/create-client", content=b" " * (LIMIT - 2) + b"{}", headers=JSON)
    assert answer.status_code == 422
