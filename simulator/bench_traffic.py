"""The requests of a measurement, and the users they leave behind."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import SplitResult

import numpy as np

from simulator.account import Account
from simulator.errors import SimulatorError
from simulator.wire import Answer, request

SCENARIOS = ("noop", "stored", "new", "more", "batch", "similar")
MIXED = "mixed"
SHARES = {"stored": 0.7, "new": 0.06, "more": 0.1, "batch": 0.02, "similar": 0.12}  # of the mixed traffic
HISTORY, MORE, BATCH = 50, 5, 10
STORED_USERS = 20
CATALOGUE = 2_000


class Traffic:
    """`urls`: every process that is measured; the first one is the account's."""

    def __init__(
        self, account: Account, rng: np.random.Generator, others: Sequence[SplitResult] = ()
    ) -> None:
        self.url = account.url
        self.urls = [account.url, *others]
        self._account, self._rng = account, rng
        self._movie_ids = np.array(account.movie_ids(CATALOGUE))
        if not len(self._movie_ids):
            raise SimulatorError("The API has no movies yet.")
        self._stored: list[Any] = []
        self._asked = 0
        self._bodies: list[bytes] = []

    def settle(self, users: int = STORED_USERS) -> None:
        """Add the users whose stored taste is asked for."""
        for _ in range(users):
            self._stored.append(self._account.add_user({"history": self._history(HISTORY)}))

    def drawn(self, scenario: str) -> str:
        """What the next request of a scenario asks for."""
        return str(self._rng.choice(list(SHARES), p=list(SHARES.values()))) if scenario == MIXED else scenario

    def content(self, scenario: str) -> bytes:
        if scenario == "noop":
            return self._request("GET", "/client")
        if scenario == "similar":
            return self._request("GET", f"/movies/{self._rng.choice(self._movie_ids)}/similar")
        if scenario == "batch":
            size = min(BATCH, len(self._stored))
            users = [
                {"user_id": user} for user in self._rng.choice(self._stored, size, replace=False).tolist()
            ]
            return self._request("POST", "/recommendations/batch", {"users": users})
        return self._request("POST", "/recommendations", self._asking(scenario))

    def _asking(self, scenario: str) -> dict[str, Any]:
        if scenario == "new":
            return {"history": self._history(HISTORY)}
        user = {"user_id": self._stored[self._rng.integers(len(self._stored))]}
        return user | {"history": self._history(MORE)} if scenario == "more" else user

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

    def _history(self, size: int) -> list[dict[str, float]]:
        size = min(size, len(self._movie_ids))
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
