"""The requests of a measurement, and the users they leave behind."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from simulator.account import Account
from simulator.errors import SimulatorError
from simulator.wire import Answer, request

SCENARIOS = ("noop", "stored", "new")
HISTORY = 50
STORED_USERS = 20
CATALOGUE = 2_000


class Traffic:
    def __init__(self, account: Account, rng: np.random.Generator) -> None:
        self.url = account.url
        self._account, self._rng = account, rng
        self._movie_ids = np.array(account.movie_ids(CATALOGUE))
        if not len(self._movie_ids):
            raise SimulatorError("The API has no movies yet.")
        self._stored: list[Any] = []
        self._asked = 0
        self._bodies: list[bytes] = []

    def settle(self) -> None:
        """Add the users whose stored taste is asked for."""
        for _ in range(STORED_USERS):
            self._stored.append(self._account.add_user({"history": self._history()}))

    def content(self, scenario: str) -> bytes:
        if scenario == "noop":
            return self._request("GET", "/client")
        if scenario == "stored":
            user_id = self._stored[self._rng.integers(len(self._stored))]
            return self._request("POST", "/recommendations", {"user_id": user_id})
        return self._request("POST", "/recommendations", {"history": self._history()})

    def asks(self, scenario: str) -> None:
        """To be told before a request goes out: whoever asks for a new user may get one unseen."""
        self._asked += scenario == "new"

    def answered(self, scenario: str, answer: Answer) -> None:
        if scenario == "new":
            self._bodies.append(answer.body)

    def added(self) -> list[Any]:
        """Every user this run knows to have added."""
        return self._stored + [user_id for body in self._bodies if (user_id := user_of(body)) is not None]

    def unanswered(self) -> int:
        return self._asked - len(self._bodies)

    def leave(self, user_ids: Iterable[Any]) -> int:
        """Delete these users; how many are gone. Stops when the API does not answer any more."""
        gone = 0
        try:
            for user_id in user_ids:
                gone += self._account.delete_user(user_id)
        except SimulatorError:
            return gone
        return gone

    def _history(self) -> list[dict[str, float]]:
        size = min(HISTORY, len(self._movie_ids))
        movie_ids = self._rng.choice(self._movie_ids, size=size, replace=False)
        ratings = self._rng.integers(1, 11, size=size) / 2
        return [
            {"movie_id": int(movie_id), "rating": float(rating)}
            for movie_id, rating in zip(movie_ids, ratings, strict=True)
        ]

    def _request(self, method: str, path: str, body: Any = None) -> bytes:
        return request(self.url, self._account.token, method, path, body)


def user_of(body: bytes) -> Any:
    try:
        return json.loads(body).get("user_id")
    except (ValueError, AttributeError):
        return None
