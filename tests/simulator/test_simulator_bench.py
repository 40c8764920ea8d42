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

from simulator import saturation
from simulator.account import signed_in
from simulator.bench import schedule, send_all, sent
from simulator.bench_tables import memory_line, saturation_table
from simulator.bench_traffic import MIXED, SCENARIOS, SHARES, Traffic
from simulator.cli import main
from simulator.report import Figures, Measured, Requirement, figures
from simulator.saturation import Saturated, Turn, spent
from simulator.verbs import bench as verb
from simulator.wire import AsyncLine, LineError, parse

MOVIES = 130
PASSWORD = "a long enough password"


class Peer(ThreadingHTTPServer):
    """Speaks as much of the API's contract as a measurement needs."""

    daemon_threads = True
    request_queue_size = 128  # of five, connections that come at once wait a second to be tried again

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = Lock()
        self.users: set[int] = set()
        self.created: list[list[dict[str, Any]]] = []
        self.answers_before_failure: float = math.inf
        self.too_soon = 0  # deletions that are told to come back
        self.asked = 0
        self.metrics = True  # whether they are told

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
            with self.server.lock:
                self.server.asked += 1
            return True
        self.answer(401, {"title": "Unauthorized"})
        return False

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/metrics" and self.server.metrics:
            self.tell_metrics()
            return
        if not self.signed_in():
            return
        if asked.path == "/client":
            self.answer(200, {"client_id": 1, "username": "u", "name": "U"})
        elif asked.path == "/movies":
            self.answer(200, self.page({name: values[0] for name, values in parse_qs(asked.query).items()}))
        elif asked.path.endswith("/similar"):
            self.answer(200, {"movie_id": int(asked.path.split("/")[2]), "similar": []})
        else:
            self.answer(404)

    def tell_metrics(self) -> None:
        """A millisecond of the processor for each request so far."""
        content = f"process_cpu_seconds_total {self.server.asked / 1000}\nprocess_resident_memory_bytes 2e8\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

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
        elif "users" in body:
            known = all(user["user_id"] in self.server.users for user in body["users"])
            self.answer(200 if known else 404, {"results": [], "unknown_users": []})
        elif "history" in body and "user_id" not in body:
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


@pytest.fixture(autouse=True)
def little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saturation, "QUESTIONS", 10)
    for module in (saturation, verb):
        monkeypatch.setattr(module, "SLICES", 2)


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
    assert record["requirements"] == [{"scenario": "new", "kind": "<=", "limit": 100000, "met": True}]
    assert record["users_added"] == record["users_deleted"] == len(peer.created)


@pytest.mark.parametrize(("limit", "status", "word"), [("0.001", 1, "NOT met"), ("1000", 0, ": met")])
def test_a_requirement_decides_the_exit_status(peer: Peer, limit: str, status: int, word: str) -> None:
    result = run(peer.url, "--rate", "0", "--require", f"stored<={limit}")
    assert result.exit_code == status
    assert word in result.stdout


def test_a_scenario_that_failed_meets_no_requirement(peer: Peer) -> None:
    peer.answers_before_failure = 120  # the stored users and the warm-up get theirs
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


@pytest.mark.parametrize("text", ["fast<=4", "new<4", "new<=", "new<=-1", "new.p50<=2", "new.p99>=2"])
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


def test_saturation_tells_throughput_processor_time_and_the_latency_at_half(
    peer: Peer, tmp_path: Path
) -> None:
    path = tmp_path / "bench.json"
    arguments = ["--rate", "0", "--saturation", "0.1", "--connections", "4", "--json", str(path)]
    result = run(peer.url, *arguments, "--require", "stored>=0.001", "--require", "mixed.p99<=100000")
    assert result.exit_code == 0, result.output
    record = json.loads(path.read_text())
    assert record["saturation"].keys() == record["half_load"].keys() == {*SCENARIOS, MIXED}
    for name, found in record["saturation"].items():
        assert found["a_second"] * 0.1 < found["requests"]
        assert found["cpu_ms"] == pytest.approx(1, rel=0.01), name
        assert found["busy"] == pytest.approx(found["a_second"] / 1000, rel=0.01)
        assert found["own_cpu_ms"] > 0
        seconds = sum(ended - began for began, ended in found["turns"])
        assert seconds == pytest.approx(found["requests"] / found["a_second"], rel=0.05)
        assert 0 < record["half_load"][name]["requests"] < found["requests"]
    assert record["saturation"]["noop"]["to_noop"] == record["half_load"]["noop"]["p99_to_noop"] == 1
    assert record["memory_bytes"] == [200_000_000]
    assert [r["met"] for r in record["requirements"]] == [True, True]
    assert not peer.users


@pytest.mark.parametrize("text", ["stored>=0.3", "stored.p99<=5"])
def test_a_requirement_of_a_phase_that_was_left_out_is_not_met(peer: Peer, text: str) -> None:
    result = run(peer.url, "--rate", "0", "--require", text)
    assert (result.exit_code, "NOT met (-)" in result.stdout) == (1, True)


def test_throughput_that_is_too_low_is_not_met() -> None:
    saturated = {"noop": Saturated([0.1] * 100, 1.0), "stored": Saturated([0.1] * 30, 1.0)}
    measured = Measured({}, {}, saturated)
    assert Requirement.parse("stored>=0.3").met(measured)
    assert not Requirement.parse("stored>=0.31").met(measured)
    saturated["stored"].outcomes.append("status 503")
    assert not Requirement.parse("stored>=0.3").met(measured)


def test_every_process_that_is_named_gets_its_part(peer: Peer) -> None:
    with Peer() as other:
        other.users = peer.users
        thread = Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        more = ["--url", other.url, "--rate", "0", "--saturation", "0.05", "--connections", "2"]
        result = run(peer.url, *more)
        other.shutdown()
        thread.join()
    assert result.exit_code == 0, result.output
    assert other.asked > 100
    assert "200 MiB" not in result.stdout
    assert "191 MiB and 191 MiB" in result.stdout


def test_metrics_that_are_not_told_leave_processor_time_unknown(peer: Peer) -> None:
    peer.metrics = False
    unknown = spent([urlsplit(peer.url)])
    assert (unknown.cpu_s, unknown.memory) == (None, ())
    assert "not to be read here" in memory_line(unknown)
    silent = Saturated()
    silent.add(Turn([0.1], 0.0, 0.5, 0.001), unknown, unknown)
    assert (silent.cpu_ms, silent.busy, silent.rate, silent.own_ms) == (None, None, 2, 1)
    assert saturation_table({"noop": silent}).split()[-4:] == ["-", "-", "-", "1.00"]


def test_mixed_traffic_has_the_stated_shares(peer: Peer) -> None:
    with signed_in(peer.url, "u", PASSWORD) as account:
        traffic = Traffic(account, np.random.default_rng(7))
        drawn = [traffic.drawn(MIXED) for _ in range(5_000)]
    assert sum(SHARES.values()) == pytest.approx(1)
    for kind, share in SHARES.items():
        assert drawn.count(kind) / len(drawn) == pytest.approx(share, abs=0.02)


def test_percentiles_are_of_the_good_answers_and_errors_are_counted_apart() -> None:
    of = Figures.of([0.001, 0.002, 0.003, "status 503", "timed out", "status 503"])
    assert (of.requests, of.error_share) == (6, 0.5)
    assert of.p50 == pytest.approx(2)
    assert of.reasons == {"status 503": 2, "timed out": 1}


def test_a_requirement_without_any_answer_is_not_met() -> None:
    nothing = {scenario: Figures.of([]) for scenario in SCENARIOS}
    assert not Requirement("new", 8).met(Measured(nothing))
    assert nothing["new"].record()["p50_ms"] is None
