"""How a process ends: told to stop it goes on for a while, loses nobody's request, and exits in time."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import Engine, text

from api.server import FINISH_S
from recommender.local.urls import PerRole
from tests.api.conftest import DEADLINE_S, PASSWORD, SETTINGS, Service, run, serving, until
from tests.api.test_health import ONE_MOVIE, frozen
from tests.conftest import PASSWORDS

DRAIN_S = 3.0
WORKERS = 8
LONG = {"DRAIN_S": "300"}
IMPATIENT = "import api.server, api.__main__ as api_main; api.server.FINISH_S = 0.5; api_main.main()"
HISTORY = {"history": [{"title": "Alien (1979)"}], "k": 1}


def ended(service: Service, by: signal.Signals, within_s: float = DEADLINE_S) -> float:
    """Seconds from the signal to the exit, which must come in time and with status 0."""
    start = time.monotonic()
    service.process.send_signal(by)
    assert service.process.wait(within_s) == 0, service.log.read_text()
    return time.monotonic() - start


def stopping(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and answer.json()["status"] == "stopping"


@dataclass
class Load:
    """Several clients that ask again and again, each over one connection for as long as it is left open."""

    service: Service
    token: str
    end: float = float("inf")
    answers: list[httpx.Response] = field(default_factory=list)

    def ask(self) -> int:
        """How many connections it took. Any error of a connection fails the test."""
        ports = set()
        with httpx.Client(base_url=self.service.url, trust_env=False) as http:
            http.headers["Authorization"] = f"Bearer {self.token}"
            while time.monotonic() < self.end:
                answer = http.post("/recommendations", json=HISTORY)
                self.answers.append(answer)
                if "Connection" not in answer.headers:
                    ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
        return len(ports)


def test_no_request_fails_while_a_process_under_load_drains(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    run(engines.admin, ONE_MOVIE)
    service = serve(DRAIN_S=str(DRAIN_S))
    load = Load(service, service.token(service.register()["username"]))
    with ThreadPoolExecutor(WORKERS) as pool:
        asking = [pool.submit(load.ask) for _ in range(WORKERS)]
        while len(load.answers) < 10 * WORKERS and not any(each.done() for each in asking):
            assert service.http.get("/health/ready").status_code == 200
        start = time.monotonic()
        service.process.terminate()
        told = until(service, "/health/ready", stopping)
        load.end = time.monotonic() + DRAIN_S / 2  # as long as a Service may go on sending
        assert told.headers["Connection"] == "close"
        assert service.http.get("/health/live").status_code == 200
        kept_open = [each.result() for each in asking]
    assert service.process.wait(DEADLINE_S) == 0, service.log.read_text()
    assert DRAIN_S <= time.monotonic() - start < DRAIN_S + FINISH_S

    assert {answer.status_code for answer in load.answers} == {200}
    assert kept_open == [1] * WORKERS  # until it was told to stop
    closed = [answer for answer in load.answers if answer.headers.get("Connection") == "close"]
    assert len(closed) > WORKERS  # clients came again, by new connections
    with engines.admin.connect() as connection:  # nothing of the log was lost at the end
        logged = connection.execute(text("SELECT recommendation_id FROM recommendations")).scalars()
        assert {str(each) for each in logged} == {a.json()["recommendation_id"] for a in load.answers}


@contextmanager
def line(service: Service) -> Iterator[socket.socket]:
    port = httpx.URL(service.url).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        yield connection


def refuses(service: Service) -> bool:
    try:
        with line(service):
            return False
    except ConnectionError:
        return True


@contextmanager
def begun(service: Service) -> Iterator[tuple[socket.socket, bytes]]:
    """A registration that the process works on, and the part of its body that has not been sent."""
    new = {"username": "slow-and-steady", "name": "Slow", "email": "s@example.com", "password": PASSWORD}
    body = json.dumps(new).encode()
    head = f"POST /create-client HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\nExpect: 100-continue"
    with line(service) as connection:
        connection.sendall(f"{head}\r\nContent-Type: application/json\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body[:10])
        yield connection, body[10:]


def received(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_request_that_is_worked_on_when_nothing_new_is_accepted_is_finished(
    serve: Callable[..., Service],
) -> None:
    service = serve()
    with begun(service) as (connection, rest):
        service.process.terminate()
        while not refuses(service):
            assert service.process.poll() is None
        connection.sendall(rest)
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower()
    assert service.process.wait(DEADLINE_S) == 0


def test_a_request_that_never_ends_is_given_up(urls: PerRole[str], tmp_path: Path) -> None:
    with serving(urls, tmp_path, {}, ("-c", IMPATIENT)) as service, begun(service):
        assert ended(service, signal.SIGTERM) < FINISH_S


def test_connections_that_ask_nothing_do_not_hold_up_the_end(serve: Callable[..., Service]) -> None:
    service = serve()
    with line(service) as silent, line(service) as used, line(service) as unfinished:
        used.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        while b"alive" not in used.recv(65_536):
            pass
        unfinished.sendall(b"GET /health/live HTT")
        assert ended(service, signal.SIGTERM) < FINISH_S
        assert (received(silent), received(used), received(unfinished)) == (b"", b"", b"")


def test_a_database_that_hangs_does_not_hold_up_the_end(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    service = serve(DRAIN_S="0.5")
    client = service.client()
    with frozen(engines), ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.get, "/client", timeout=DEADLINE_S)
        ended(service, signal.SIGTERM, within_s=30)
        assert asking.result().status_code == 503


def test_a_second_signal_ends_the_draining(serve: Callable[..., Service]) -> None:
    service = serve(**LONG)
    service.process.terminate()
    until(service, "/health/ready", stopping)
    ended(service, signal.SIGTERM)


def test_a_person_at_the_terminal_does_not_wait(serve: Callable[..., Service]) -> None:
    ended(serve(**LONG), signal.SIGINT)


def test_the_log_has_a_line_for_the_start_the_draining_and_the_end_and_no_secret(
    serve: Callable[..., Service],
) -> None:
    service = serve(DRAIN_S="0.1", HOST="0.0.0.0")  # noqa: S104 - as in a container
    ended(service, signal.SIGTERM)
    lines = [each.split(": ", 1)[1] for each in service.log.read_text().splitlines() if "marquee.api" in each]
    port = httpx.URL(service.url).port
    assert lines[0].startswith(f"listening at http://0.0.0.0:{port} with 0 movies and model none. No movie")
    assert lines[1].startswith("draining for 0.1 s")
    assert lines[2].startswith("stopped after ")
    assert len(lines) == 3
    for secret in (SETTINGS["JWT_KEYS"][4:36], SETTINGS["TOMBSTONE_KEY"], *PASSWORDS.values()):
        assert secret not in service.log.read_text()
