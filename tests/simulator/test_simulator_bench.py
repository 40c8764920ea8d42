import asyncio
import json
import math
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from click.testing import CliRunner, Result

from simulator.account import signed_in
from simulator.bench import schedule, send_all, sent
from simulator.cli import main
from simulator.report import Figures, Requirement, figures
from simulator.traffic import SCENARIOS, Traffic
from simulator.wire import AsyncLine, LineError, parse

MOVIES = 130
PASSWORD = "a long enough password"


class Peer(ThreadingHTTPServer):
    """Speaks as much of the API's contract as a measurement needs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = Lock()
        self.users: set[int] = set()
        self.created: list[list[dict[str, Any]]] = []
        self.answers_before_failure: float = math.inf
        self.too_soon = 0  # deletions that are told to come back

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def create(self, history: list[dict[str, Any]]) -> int:
        with self.lock:
            self.created.append(history)
            self.users.add(len(self.created))
            return len(self.created)

    def exhausted(self) -> bool:
        with self.lock:
            self.answers_before_failure -= 1
            return self.answers_before_failure < 0


class Handler(BaseHTTPRequestHandler):
    server: Peer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent."""

    def answer(self, status: int, body: Any = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def signed_in(self) -> bool:
        if self.headers["Authorization"] == "Bearer the-token":
            return True
        self.answer(401, {"title": "Unauthorized"})
        return False

    def do_GET(self) -> None:
        if not self.signed_in():
            return
        asked = urlsplit(self.path)
        if asked.path == "/client":
            self.answer(200, {"client_id": 1, "username": "u", "name": "U"})
        elif asked.path == "/movies":
            self.answer(200, self.page({name: values[0] for name, values in parse_qs(asked.query).items()}))
        else:
            self.answer(404)

    def page(self, query: dict[str, str]) -> dict[str, Any]:
        after = int(query.get("cursor", 0))
        ids = list(range(after + 1, MOVIES + 1))[: int(query["limit"])]
        more = bool(ids) and ids[-1] < MOVIES
        return {"movies": [{"movie_id": i} for i in ids], "next_cursor": str(ids[-1]) if more else None}

    def do_POST(self) -> None:
        content = self.content()
        if self.path == "/token":
            fields = parse_qs(content.decode())
            good = fields == {"username": ["u"], "password": [PASSWORD]}
            token = {"access_token": "the-token", "token_type": "bearer", "expires_in": 900}
            self.answer(200, token) if good else self.answer(401)
        elif self.signed_in():
            self.recommend(json.loads(content))

    def recommend(self, body: dict[str, Any]) -> None:
        if self.server.exhausted():
            self.answer(503, {"title": "Not now"})
        elif "history" in body:
            self.answer(200, {"user_id": self.server.create(body["history"]), "recommendations": []})
        else:
            self.answer(200 if body["user_id"] in self.server.users else 404, {"user_id": body["user_id"]})

    def do_DELETE(self) -> None:
        if self.server.too_soon:
            self.server.too_soon -= 1
            self.answer(429)
        elif self.signed_in():
            with self.server.lock:
                self.server.users.remove(int(self.path.removeprefix("/users/")))
            self.answer(204)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(url: str, *arguments: str, password: str = PASSWORD) -> Result:
    fixed = ["bench", "--url", url, "--username", "u", "--seconds", "0.3", "--rate", "60"]
    return CliRunner().invoke(main, [*fixed, *arguments], env={"MARQUEE_PASSWORD": password})


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_both_tables_have_every_scenario_with_its_ratio(peer: Peer) -> None:
    result = run(peer.url)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[0] for row in rows if row and row[0] in SCENARIOS] == [*SCENARIOS] * 2
    assert next(row for row in rows if row[:1] == ["noop"])[-1] == "1.00"


def test_every_user_that_was_added_is_deleted_again(peer: Peer) -> None:
    result = run(peer.url)
    count = len(peer.created)
    assert count > 20
    assert not peer.users
    assert f"Added {count:,} users and deleted {count:,} of them again." in result.stdout


def test_a_user_whose_deletion_came_too_soon_is_deleted_later(peer: Peer) -> None:
    peer.too_soon = 3
    assert run(peer.url).exit_code == 0
    assert (peer.too_soon, peer.users) == (0, set())


def test_a_history_is_fifty_different_movies_with_half_stars_from_the_whole_catalogue(peer: Peer) -> None:
    run(peer.url)
    for history in peer.created:
        assert len({item["movie_id"] for item in history}) == len(history) == 50
        assert all((item["rating"] * 2) in range(1, 11) for item in history)
    assert {item["movie_id"] for history in peer.created for item in history} == set(range(1, MOVIES + 1))


def test_the_json_file_says_what_the_table_says(peer: Peer, tmp_path: Path) -> None:
    result = run(peer.url, "--json", str(tmp_path / "bench.json"), "--require", "new<=100000")
    record = json.loads((tmp_path / "bench.json").read_text())
    new = record["service_time"]["new"]
    assert f"{new['requests']:,}" in result.stdout
    assert record["ratios"]["new"] == pytest.approx(
        new["p50_ms"] / record["service_time"]["noop"]["p50_ms"], 0.01
    )
    assert record["open_loop"].keys() == record["service_time"].keys() == set(SCENARIOS)
    assert record["requirements"] == [{"scenario": "new", "limit": 100000, "met": True}]
    assert record["users_added"] == record["users_deleted"] == len(peer.created)


@pytest.mark.parametrize(("limit", "status", "word"), [("0.001", 1, "NOT met"), ("1000", 0, ": met")])
def test_a_requirement_decides_the_exit_status(peer: Peer, limit: str, status: int, word: str) -> None:
    result = run(peer.url, "--rate", "0", "--require", f"stored<={limit}")
    assert result.exit_code == status
    assert word in result.stdout


def test_a_scenario_that_failed_meets_no_requirement(peer: Peer) -> None:
    peer.answers_before_failure = 100  # the stored users and the warm-up get theirs
    result = run(peer.url, "--rate", "0", "--require", "new<=100000")
    assert result.exit_code == 1
    assert "x status 503" in result.stdout
    assert not peer.users


def test_an_api_that_fails_from_the_start_is_named_and_left_clean(peer: Peer) -> None:
    peer.answers_before_failure = 20  # the stored users
    result = run(peer.url)
    assert result.exit_code == 1
    assert "fails: status 503." in result.stderr
    assert peer.created
    assert not peer.users


@pytest.mark.parametrize("text", ["fast<=4", "new<4", "new<=", "new<=-1"])
def test_a_requirement_that_cannot_be_read_is_a_usage_error(text: str) -> None:
    result = run("http://127.0.0.1:1", "--require", text)
    assert result.exit_code == 2
    assert "is not like 'stored<=4'" in result.stderr


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    result = run(f"http://127.0.0.1:{closed_port()}")
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
    assert "Nothing answers at http://127.0.0.1:" in result.output


def test_a_refused_login_is_one_sentence(peer: Peer) -> None:
    result = run(peer.url, password="another password")
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "refused the login of u." in result.output


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_one_sentence(url: str) -> None:
    result = run(url)
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "is not the address of an API" in result.output


def test_the_same_seed_asks_the_same_requests(peer: Peer) -> None:
    def contents() -> list[bytes]:
        with signed_in(peer.url, "u", PASSWORD) as account:
            traffic = Traffic(account, np.random.default_rng(7))
            return [traffic.content("new") for _ in range(3)]

    assert contents() == contents()


def test_open_loop_time_counts_from_when_a_request_was_due(peer: Peer) -> None:
    async def late() -> float | str:
        lines: asyncio.LifoQueue[AsyncLine] = asyncio.LifoQueue()
        line = AsyncLine(traffic.url)
        lines.put_nowait(line)
        outcome = await sent(
            lines, traffic, "noop", traffic.content("noop"), asyncio.get_running_loop().time() - 2
        )
        line.close()
        return outcome

    with signed_in(peer.url, "u", PASSWORD) as account:
        traffic = Traffic(account, np.random.default_rng(7))
        outcome = asyncio.run(late())
    assert isinstance(outcome, float)
    assert 2 <= outcome < 4


def test_open_loop_sends_what_the_schedule_says(peer: Peer) -> None:
    with signed_in(peer.url, "u", PASSWORD) as account:
        traffic = Traffic(account, np.random.default_rng(7))
        traffic.settle()
        outcomes = asyncio.run(send_all(traffic, 0.5, 100, np.random.default_rng(8)))
        traffic.leave(traffic.added())
    assert sum(map(len, outcomes.values())) == len(schedule(0.5, 100, np.random.default_rng(8)))
    assert not any(of.reasons for of in figures(outcomes).values())


def test_arrivals_are_poisson_at_the_stated_rate() -> None:
    times = np.array(schedule(1_000, 20, np.random.default_rng(1)))
    gaps = np.diff(times)
    assert len(times) == pytest.approx(20_000, rel=0.03)
    assert (gaps >= 0).all()
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # exponential gaps


@pytest.mark.parametrize("ending", ["", "Connection: close\r\n"])
def test_an_answer_is_whole_at_its_last_byte_and_not_before(ending: str) -> None:
    data = f"HTTP/1.1 200 OK\r\ncontent-LENGTH: 4\r\n{ending}\r\nbody".encode()
    assert all(parse(data[:size]) is None for size in range(len(data)))
    answer = parse(data)
    assert answer
    assert (answer.status, answer.body, answer.last) == (200, b"body", bool(ending))


@pytest.mark.parametrize(
    "data", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_an_answer_that_cannot_be_measured_is_refused(data: bytes) -> None:
    with pytest.raises(LineError):
        parse(data)


def test_percentiles_are_of_the_good_answers_and_errors_are_counted_apart() -> None:
    of = Figures.of([0.001, 0.002, 0.003, "status 503", "timed out", "status 503"])
    assert (of.requests, of.error_share) == (6, 0.5)
    assert of.p50 == pytest.approx(2)
    assert of.reasons == {"status 503": 2, "timed out": 1}


def test_a_requirement_without_any_answer_is_not_met() -> None:
    nothing = {scenario: Figures.of([]) for scenario in SCENARIOS}
    assert not Requirement("new", 8).met(nothing)
    assert nothing["new"].record()["p50_ms"] is None
