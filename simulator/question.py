"""One question from end to end, as a new client asks it; each step is a line with its time."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import click

from simulator.account import Account
from simulator.errors import SimulatorError

LISTED, HISTORY, WANTED = 20, 3, 5
SOURCES = ("model", "preferences", "popular")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str

    @classmethod
    def random(cls) -> "Login":
        return cls(f"asks-{secrets.token_hex(5)}", secrets.token_urlsafe(24))


@contextmanager
def step(name: str) -> Iterator[Tell]:
    """Whoever fails within is told by the step's name."""
    start, told = time.perf_counter(), ""

    def tell(text: str) -> None:
        nonlocal told
        told = text

    try:
        yield tell
    except SimulatorError as error:
        raise SimulatorError(f"The step `{name}` failed. {error.message}") from error
    click.echo(f"{name:<9}{(time.perf_counter() - start) * 1000:7.0f} ms  {told}")


def ask_all(account: Account, known: Login | None, key: str | None, wait_s: float) -> list[str]:
    """The titles that were recommended."""
    with step("reach") as tell:
        account.reach(wait_s)
        tell(f"an API answers at {account.url.geturl()}")
    login = known or _register(account, key)
    with step("sign-in") as tell:
        account.sign_in(login.username, login.password)
        tell(f"signed in as {login.username}")
    history = _history(account)
    user_id = _ask_new(account, history)
    try:
        picks = _ask_again(account, user_id, history)
    except SimulatorError:
        with suppress(SimulatorError):
            account.delete_user(user_id)
        raise
    with step("forget") as tell:
        if not account.delete_user(user_id):
            raise SimulatorError(f"The user {user_id} could not be deleted.")
        tell(f"user {user_id} is deleted; the client {login.username} stays")
    return [titled(movie) for movie in picks]


def _register(account: Account, key: str | None) -> Login:
    login = Login.random()
    with step("register") as tell:
        account.register(login.username, login.password, key)
        tell(f"{login.username} is a client")
    return login


def _history(account: Account) -> list[dict[str, Any]]:
    with step("movies") as tell:
        movies = account.movies(LISTED)
        if len(movies) < 2:
            raise SimulatorError(f"The catalogue has {len(movies)} movies; a question wants two or more.")
        seen = movies[: min(HISTORY, len(movies) - 1)]
        tell("seen: " + ", ".join(map(titled, seen)))
    return seen


def titled(movie: dict[str, Any]) -> str:
    return f"{movie['title']} ({movie['year']})" if movie.get("year") else str(movie["title"])


def _ask_new(account: Account, seen: list[dict[str, Any]]) -> int:
    """The user that the history made."""
    with step("question") as tell:
        history = [{"movie_id": movie["movie_id"], "rating": 5} for movie in seen]
        answer = account.recommend({"history": history, "k": WANTED})
        if not answer.get("persisted") or not isinstance(answer.get("user_id"), int):
            raise SimulatorError("The history was answered and not stored: the API's database is away.")
        user_id = int(answer["user_id"])
        tell(f"{_described(checked(answer, seen))}, stored as user {user_id}")
    return user_id


def _ask_again(account: Account, user_id: int, seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with step("again") as tell:
        answer = checked(account.recommend({"user_id": user_id, "k": WANTED}), seen)
        if answer.get("user_id") != user_id:
            raise SimulatorError(f"The answer for user {user_id} is of user {answer.get('user_id')}.")
        tell(f"{_described(answer)}, by what is stored")
    picks: list[dict[str, Any]] = answer["recommendations"]
    return picks


def _described(answer: dict[str, Any]) -> str:
    return f"{len(answer['recommendations'])} movies, source {answer['source']}"


def checked(answer: dict[str, Any], seen: list[dict[str, Any]]) -> dict[str, Any]:
    """An answer that has the shape of one, and nothing that was seen."""
    if fault := _fault(answer, {movie["movie_id"] for movie in seen}):
        raise SimulatorError(f"The answer {fault}.")
    return answer


def _fault(answer: dict[str, Any], seen: set[int]) -> str:
    picks = answer.get("recommendations")
    if not isinstance(picks, list) or not 1 <= len(picks) <= WANTED:
        return f"has no list of 1 to {WANTED} movies"
    if answer.get("source") not in SOURCES or not answer.get("recommendation_id"):
        return "has no source or no id"
    if not all(isinstance(pick, dict) and {"movie_id", "title", "score"} <= pick.keys() for pick in picks):
        return "holds a movie without an id, a title or a score"
    again = [titled(pick) for pick in picks if pick["movie_id"] in seen]
    return f"holds what was seen: {', '.join(again)}" if again else ""
