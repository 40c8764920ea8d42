"""Viewers at a real API, their tape, and the tape sent again."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from simulator.cli import main
from simulator.hours import DAY_S
from simulator.traffic.drive import BEGINS
from simulator.traffic.login import Login
from simulator.traffic.replay import Replay, Replayed, replayed
from simulator.traffic.tape import Exchange, Tape
from simulator.traffic.town import Town
from simulator.traffic.visit import Reply, Send, visit
from tests.api.conftest import PASSWORD, Service

VIEWERS, VISITS = 6, 3


def client_of(service: Service) -> Login:
    return Login(service.register()["username"], PASSWORD)


def town_of(service: Service, clients: int = 2) -> Town:
    movies = service.client().get("/movies", params={"limit": 100}).json()["movies"]
    return Town(movies, seed=5, clients=clients)


def sender(service: Service, login: Login, tape: list[Exchange], client: int) -> Send:
    def post(path: str, form: Mapping[str, str]) -> Reply:
        answer = service.http.post(path, data=dict(form))
        return Reply(answer.status_code, answer.json())

    def send(method: str, path: str, body: Mapping[str, Any]) -> Reply:
        def with_token(token: str) -> Reply:
            headers = {"Authorization": f"Bearer {token}"}
            answer = service.http.request(method, path, json=body, headers=headers)
            tape.append(
                Exchange(len(tape) / 100, client, method, path, body, answer.status_code, 1.0, answer.json())
            )
            return Reply(answer.status_code, answer.json())

        return login.sent(with_token, post)

    return send


@pytest.fixture(scope="module")
def run(stocked: Service) -> tuple[Town, list[Exchange], list[Login]]:
    """Some viewers of two clients come three times each."""
    tape: list[Exchange] = []
    logins, town = [client_of(stocked), client_of(stocked)], town_of(stocked)
    residents = [town.resident(number) for number in range(1, VIEWERS + 1)]
    for evening in range(VISITS):
        for resident in residents:
            send = sender(stocked, logins[resident.client], tape, resident.client)
            visit(resident, BEGINS + evening * DAY_S, send, lambda _: None)
    return town, tape, logins


Run = tuple[Town, list[Exchange], list[Login]]


def test_every_viewer_gets_a_list_at_each_visit(run: Run) -> None:
    _, tape, _ = run
    lists = [exchange for exchange in tape if exchange.path == "/recommendations" and exchange.status == 200]
    assert len(lists) == VIEWERS * VISITS
    assert all(len(exchange.answer["recommendations"]) == 10 for exchange in lists)
    assert sum("history" in exchange.body for exchange in lists) == VIEWERS


def test_what_viewers_do_is_taken_in(run: Run) -> None:
    _, tape, _ = run
    told = [exchange for exchange in tape if exchange.path in ("/feedback", "/ratings")]
    assert len(told) >= VIEWERS
    assert all(exchange.status in (200, 201) for exchange in told)


def test_a_token_that_has_run_out_is_replaced_once(run: Run, stocked: Service) -> None:
    _, tape, logins = run
    assert 401 not in {exchange.status for exchange in tape}
    assert [login.signed_in for login in logins] == [1, 1]
    login, again = client_of(stocked), list[Exchange]()
    login.token = "of yesterday"
    send = sender(stocked, login, again, 0)
    assert send("POST", "/ratings", {"ratings": [{"external_id": "x", "movie_id": 1}]}).status == 200
    assert [exchange.status for exchange in again] == [401, 200]


def test_a_login_that_is_refused_is_not_tried_for_ever(stocked: Service) -> None:
    tape: list[Exchange] = []
    send = sender(stocked, Login("nobody-here", PASSWORD), tape, 0)
    assert send("GET", "/client", {}).status == 401
    assert not tape


def test_a_tape_sent_again_is_answered_alike(run: Run, stocked: Service, tmp_path: Path) -> None:
    _, tape, _ = run
    file = tmp_path / "tape.jsonl"
    with file.open("w") as lines:
        recorder = Tape(lines)
        for exchange in tape:
            recorder.write(exchange)
    done = CliRunner().invoke(main, ["replay", str(file), "--url", stocked.url, "--speed", "50"])
    assert done.exit_code == 0, done.output
    assert f"{len(tape)} requests sent again, 0 answered with another status; 18 of 18 lists" in done.output


def test_a_tape_holds_no_login(run: Run) -> None:
    _, tape, logins = run
    text = "".join(exchange.line() for exchange in tape)
    for login in logins:
        assert login.password not in text and login.token not in text and login.username not in text
        assert login.password not in repr(login) and login.token not in repr(login)


def test_a_replay_tells_what_changed_and_what_it_left_out(stocked: Service) -> None:
    missing = {"external_id": "never seen", "k": 5}
    listed = {"recommendation_id": "0199c2a0-7b1e-8abc-8000-0000004aaaaa", "recommendations": []}
    said = {"recommendation_id": listed["recommendation_id"], "movie_id": 1, "event": "clicked"}
    tape = [
        Exchange(0.0, 0, "POST", "/recommendations", missing, 200, 1.0, listed),
        Exchange(0.01, 0, "POST", "/feedback", said, 201, 1.0, {}),
    ]
    done = asyncio.run(replayed(stocked.url, [client_of(stocked)], tape, 10))
    assert (done.sent, done.changed, done.left_out) == (1, 1, 1)
    assert done.statuses == {(200, 404): 1}


def test_a_replay_whose_token_runs_out_signs_in_once_for_all_who_ask(stocked: Service) -> None:
    asked, tokens = Counter[str](), list[str]()

    async def outdate_the_first_token(request: httpx.Request) -> None:
        asked[request.url.path] += 1
        tokens.append(request.headers.get("Authorization", ""))
        if tokens[-1] == next(filter(None, tokens), None):
            request.headers["Authorization"] = "Bearer of yesterday"

    async def run() -> Replayed:
        bodies = [{"ratings": [{"external_id": f"late-{number}", "movie_id": 1}]} for number in range(5)]
        tape = [Exchange(0.0, 0, "POST", "/ratings", body, 200, 1.0, {}) for body in bodies]
        hooks = {"request": [outdate_the_first_token]}
        async with httpx.AsyncClient(base_url=stocked.url, trust_env=False, event_hooks=hooks) as http:
            return await Replay(http, [client_of(stocked)], speed=1).run(tape)

    assert asyncio.run(run()).statuses == {(200, 200): 5}
    assert asked == {"/token": 2, "/ratings": 10}


@pytest.mark.full
def test_locust_drives_a_day_in_seconds(stocked: Service, tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    words = ["--url", stocked.url, "--viewers", "20", "--compress", "14400", "--tape", str(tape)]
    done = CliRunner().invoke(main, ["traffic", *words])
    assert done.exit_code == 0, done.output
    exchanges = [json.loads(line) for line in tape.read_text().splitlines()]
    assert {exchange["path"] for exchange in exchanges} >= {"/recommendations", "/feedback"}
    assert {exchange["client"] for exchange in exchanges} == {0, 1}
