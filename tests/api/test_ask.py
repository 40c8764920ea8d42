"""marquee-simulate ask: the question of `helm test`, asked of real processes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from recommender.database import open_engine
from recommender.local.urls import PerRole
from simulator.cli import main
from simulator.errors import SimulatorError
from simulator.question import checked
from tests.api.conftest import PASSWORD, Service, run
from tests.ports import free_port

KEY = "vQ7rN2xKp9sLw4Tz"
MOVIES = (
    "INSERT INTO movies (title, title_key, year)"
    " SELECT 'Part ' || n, 'part ' || n, 1990 + n FROM generate_series(1, 4) n"
)
STEPS = ["reach", "register", "sign-in", "movies", "question", "again", "forget"]


def ask(url: str, *arguments: str, **environment: str) -> Result:
    clean: dict[str, str | None] = {"REGISTRATION_KEY": None, "MARQUEE_PASSWORD": None}
    return CliRunner().invoke(main, ["ask", url, *arguments], env=clean | environment)


def steps(done: Result) -> list[str]:
    return [line.split()[0] for line in done.stdout.partition("Recommended:")[0].splitlines()]


def titles(done: Result) -> list[str]:
    return [line.strip() for line in done.stdout.partition("Recommended:\n")[2].splitlines()]


def failed(done: Result, step: str, *words: str) -> None:
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith(f"Error: The step `{step}` failed. ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def count(service: Service, query: str) -> Any:
    engine = open_engine(service.urls.admin)
    with engine.connect() as connection:
        found = connection.execute(text(query)).scalar_one()
    engine.dispose()
    return found


CLIENTS, USERS = "SELECT count(*) FROM clients", "SELECT count(*) FROM users"


def test_a_new_client_is_recommended_movies_and_leaves_only_itself(stocked: Service) -> None:
    clients, users = count(stocked, CLIENTS), count(stocked, USERS)
    done = ask(stocked.url)
    assert (done.exit_code, steps(done)) == (0, STEPS), done.output
    assert done.stdout.count("source model") == 2
    assert len(titles(done)) == 5
    seen = next(line for line in done.stdout.splitlines() if line.startswith("movies")).partition("seen: ")[2]
    assert seen
    assert not any(title in seen for title in titles(done))
    assert (count(stocked, CLIENTS), count(stocked, USERS)) == (clients + 1, users)


def test_a_client_that_exists_is_used_and_none_is_made(stocked: Service) -> None:
    name, clients = stocked.register()["username"], count(stocked, CLIENTS)
    done = ask(stocked.url, "--username", name, MARQUEE_PASSWORD=PASSWORD)
    assert (done.exit_code, steps(done)) == (0, [step for step in STEPS if step != "register"]), done.output
    assert count(stocked, CLIENTS) == clients
    failed(ask(stocked.url, "--username", name, "--password", "not this one"), "sign-in", name)
    assert ask(stocked.url, "--username", name).exit_code == 2


def test_a_cold_service_answers_what_is_popular_to_who_has_the_key(
    serve: Callable[..., Service], engines: PerRole[Engine], tmp_path: Path
) -> None:
    run(engines.admin, MOVIES)
    service = serve(REGISTRATION="key", REGISTRATION_KEY=KEY)
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    for done in (ask(service.url, REGISTRATION_KEY=KEY), ask(service.url, "--key-file", str(file))):
        assert (done.exit_code, steps(done)) == (0, STEPS), done.output
        assert "1 movies, source popular" in done.stdout
        assert titles(done) == ["Part 4 (1994)"]
        assert KEY not in done.output
    wrong = "another key altogether"
    refused = ask(service.url, REGISTRATION_KEY=wrong)
    failed(
        refused, "register", "POST /create-client was answered with 403: Registration wants the operator's"
    )
    assert wrong not in refused.output
    assert ask(service.url, "--key-file", str(tmp_path / "none")).exit_code == 1


@pytest.mark.parametrize("key", ["two\nlines of it", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(service: Service, key: str) -> None:
    done = ask(service.url, REGISTRATION_KEY=key)
    assert (done.exit_code, steps(done)) == (1, [])
    assert key[:9] not in done.output


def test_closed_registration_is_told(serve: Callable[..., Service]) -> None:
    failed(ask(serve(REGISTRATION="closed").url), "register", "403: Registration is closed here.")


def test_an_empty_catalogue_is_told(service: Service) -> None:
    failed(ask(service.url), "movies", "The catalogue has 0 movies")


def test_an_address_without_an_api_is_told(service: Service) -> None:
    failed(ask(f"http://127.0.0.1:{free_port()}"), "reach", "Nothing answers at")
    failed(
        ask(f"{service.url}/elsewhere"), "reach", "was answered with 404: There is nothing at this address"
    )
    assert ask("marquee").exit_code == 1


def test_who_waits_meets_a_service_that_starts_later(
    serve: Callable[..., Service], engines: PerRole[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engines.admin, MOVIES)
    port = free_port()
    program = "from simulator.cli import main; main()"
    words = ["ask", f"http://127.0.0.1:{port}", "--wait", "60"]
    asking = subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True)
    monkeypatch.setattr("tests.api.conftest.free_port", lambda: port)
    serve()
    told, _ = asking.communicate(timeout=60)
    assert asking.returncode == 0
    assert "Part 4 (1994)" in told


PICK = {"movie_id": 4, "title": "Heat", "year": 1995, "score": 1.0}
GOOD: dict[str, Any] = {
    "recommendations": [PICK],
    "source": "popular",
    "recommendation_id": "x",
    "user_id": 1,
}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"recommendations": []}, "has no list of 1 to 5 movies"),
        ({"recommendations": [PICK] * 6}, "has no list of 1 to 5 movies"),
        ({"recommendations": [{"movie_id": 4}]}, "holds a movie without"),
        ({"source": "chance"}, "has no source or no id"),
        ({"recommendation_id": None}, "has no source or no id"),
        ({"recommendations": [PICK | {"movie_id": 1}]}, r"holds what was seen: Heat \(1995\)"),
    ],
)
def test_a_wrong_answer_is_found(changed: dict[str, Any], fault: str) -> None:
    seen = [{"movie_id": 1, "title": "Heat", "year": 1995}]
    assert checked(GOOD, seen) == GOOD
    with pytest.raises(SimulatorError, match=f"The answer {fault}"):
        checked(GOOD | changed, seen)
