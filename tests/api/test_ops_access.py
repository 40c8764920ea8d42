"""Who sees /ops: whoever asks from inside. To anybody else it is as if there were no such address."""

import asyncio
import secrets
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from api.inside import is_near, is_ours
from api.settings import ApiSettings
from tests.api.conftest import Service

PATHS = ("/ops", "/ops/ops.js", "/ops/charts.js", "/ops/ops.css")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "INVENTED")


def served(**changed: object) -> FastAPI:
    """Of no database: what a page of files needs is in the process."""
    settings = ApiSettings(
        database_url="postgresql://",
        tombstone_key=SecretStr(secrets.token_hex(32)),
        jwt_keys=SecretStr(f"a:{secrets.token_hex(32)}"),
    )
    return create_app(settings.model_copy(update=changed))


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return served(trusted_proxies="10.0.0.0/8")


def ask(
    app: FastAPI, path: str = "/ops", method: str = "GET", peer: str = "127.0.0.1", **headers: str
) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(peer, 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=named)

    return asyncio.run(asked())


def seen(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """All but the id of the request."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, answer.text, headers


@pytest.mark.parametrize(
    "peer",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "10.0.0.7", "10.255.255.255", "172.16.0.1", "172.31.255.255"),
        *("192.168.0.1", "fd00::1", "fc00::1", "100.64.0.1", "169.254.7.7", "fe80::1", "fe80::1%eth0"),
        *("::ffff:10.0.0.7", "::ffff:127.0.0.1"),
    ],
)
def test_a_near_address_is_near(peer: str) -> None:
    assert is_near(peer)


@pytest.mark.parametrize(
    "peer",
    [
        *("8.8.8.8", "172.15.255.255", "172.32.0.1", "192.169.0.1", "100.63.255.255", "100.128.0.1"),
        *("11.0.0.1", "0.0.0.1", "2001:db8::1", "::", "fec0::1", "::ffff:8.8.8.8", "64:ff9b::a00:1"),
        *("2002:a00:1::1", "::10.0.0.1", "", "testclient", "10.0.0", "10.0.0.1:80"),
    ],
)
def test_any_other_address_is_far(peer: str) -> None:
    assert not is_near(peer)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost:8000", "localhost.", "ops.localhost:8000", "127.0.0.1:8000", "[::1]:8000"),
        *("[::1]", "10.1.2.3:8000", "[fd00::1]:80", "marquee-api", "marquee-api:80"),
        *("marquee-api.marquee.svc", "marquee-api.marquee.svc.cluster.local:8000"),
    ],
)
def test_a_name_that_only_the_inside_resolves_is_ours(host: str) -> None:
    assert is_ours(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "example.com",
            "api.example.com:8000",
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "notlocalhost.com",
        ),
        *("x.svc.example.com", "x.svc.cluster.local.example.com", "svc.example", "marquee-api.marquee"),
        *("", ":8000", "a b", "localhost:80:80", "[::1", "[cafe]", "localhost@example.com", ".localhost"),
        *("example.com#.localhost", "example.com/.svc", "1.2.3", "localhost:x", "locälhost.com"),
        *("localhost..", "localhost\n", "[::1].", "203.0.113.9", "[2001:db8::1]:8000"),
    ],
)
def test_a_name_that_a_stranger_may_own_is_not(host: str) -> None:
    assert not is_ours(host)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:192.168.1.9"])
def test_who_asks_from_inside_sees_the_page(app: FastAPI, path: str, peer: str) -> None:
    """As through `kubectl port-forward`, which arrives from loopback, or from a pod of the cluster."""
    assert ask(app, path, peer=peer).status_code == 200


@pytest.mark.parametrize(
    "outside",
    [
        {"peer": "203.0.113.9"},
        {"peer": "::ffff:203.0.113.9"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_For": ""},
        {"X_Forwarded_For": "127.0.0.1", "peer": "10.0.0.7"},  # of a proxy that is trusted
        {"Forwarded": "for=127.0.0.1"},
        {"X_Real_IP": "127.0.0.1"},
        {"X_Forwarded_Proto": "https"},
        {"X_Original_Forwarded_For": "203.0.113.9"},
        {"Via": "1.1 proxy"},
        {"CF_Connecting_IP": "203.0.113.9"},
        {"True_Client_IP": "203.0.113.9"},
        {"Host": "ops.example.com"},
        {"Host": "203.0.113.9:8000"},  # through a balancer that gives all callers its own address
    ],
    ids=str,
)
@pytest.mark.parametrize("method", METHODS)
def test_to_anybody_else_there_is_nothing(app: FastAPI, outside: dict[str, str], method: str) -> None:
    nowhere = seen(ask(app, "/nowhere", method, **outside))
    assert nowhere[0] == 404
    for path in (*PATHS, "/ops/figures", "/ops/nothing.js"):
        assert seen(ask(app, path, method, **outside)) == nowhere, path


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /ops HTTP/1.0\r\n",
        b"GET /ops HTTP/1.1\r\nHost: localhost\r\nHost: example.com\r\n",
        b"GET /ops HTTP/1.1\r\nHost: example.com\r\nHost: localhost\r\n",
        b"GET http://localhost/ops HTTP/1.1\r\nHost: example.com\r\n",
        b"GET http://example.com/ops HTTP/1.1\r\nHost: localhost\r\n",
        b"GET //ops HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /ops/..%2fapp.py HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /ops/%2e%2e%2fapp.py HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /ops/ops.js%00.css HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /%6fps/..\\app.py HTTP/1.1\r\nHost: localhost\r\n",
    ],
)
def test_no_odd_request_gets_through_the_server(service: Service, request_line: bytes) -> None:
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as caller:
        caller.sendall(request_line + b"Connection: close\r\n\r\n")
        answer = caller.makefile("rb").read()
    assert answer.split(b" ", 2)[1] in (b"400", b"404")
    assert b"Marquee operations" not in answer


def test_switched_off_there_is_nothing_for_anybody() -> None:
    off = served(ops=False)
    nowhere = seen(ask(off, "/nowhere"))
    assert [seen(ask(off, path)) for path in (*PATHS, "/ops/figures")] == [nowhere] * 5


def test_inside_other_methods_are_refused_as_elsewhere(app: FastAPI) -> None:
    assert ask(app, method="HEAD").status_code == 200
    refused = ask(app, method="POST")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert refused.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    ["/ops/", "/ops/nothing.js", "/ops/ops.html", "/ops/../app.py", "/ops/%2e%2e/app.py", "/ops/ops.js/"],
)
def test_there_is_no_other_file(app: FastAPI, path: str) -> None:
    assert ask(app, path).status_code == 404


def test_the_contract_does_not_tell_of_it(app: FastAPI) -> None:
    assert [path for path in app.openapi()["paths"] if path.startswith("/ops")] == []
