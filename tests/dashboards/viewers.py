"""Viewers who ask for lists and say what they did with them, until they are called off."""

import random
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import httpx

from tests.api.conftest import Service

KNOWN_AFTER_S = 1.0  # a list's line of the log is written half a second later
PAUSE_S = 0.02


class Viewers(Thread):
    """Requests of every kind, each kind as often as in life or a little more."""

    def __init__(self, services: Sequence[Service], seed: int) -> None:
        super().__init__()
        self._chance, self._over = random.Random(seed), Event()
        first = services[0].client()
        self._clients = [service.signed(first.headers["Authorization"].split()[1]) for service in services]
        self._movies = first.get("/movies?q=the&limit=50").json()["movies"]
        self._users = [self._list(first, history=self._history())["user_id"] for _ in range(10)]
        self._shown: deque[tuple[float, Any]] = deque()

    def run(self) -> None:
        while not self._over.wait(PAUSE_S):
            with suppress(httpx.TransportError):
                self._look(self._chance.choice(self._clients))

    def leave(self) -> None:
        self._over.set()
        self.join()

    def _look(self, client: httpx.Client) -> None:
        kind = self._chance.random()
        if kind < 0.55:
            self._ask(client, user_id=self._chance.choice(self._users))
        elif kind < 0.8:
            self._ask(client, history=self._history())
        elif kind < 0.86:
            self._ask(client, preferences={"Animation": 5})
        elif kind < 0.92:
            self._ask(client, history=[*self._history(), {"title": "A film nobody made", "rating": 5}])
        elif kind < 0.98:
            client.get("/movies", params={"q": "star"})
        else:
            client.get("/nowhere")
        while self._shown and self._shown[0][0] < time.monotonic() - KNOWN_AFTER_S:
            self._tell(client, self._shown.popleft()[1])

    def _ask(self, client: httpx.Client, **asked: Any) -> None:
        answer = client.post("/recommendations", json=asked)
        if answer.status_code == 200:
            self._shown.append((time.monotonic(), answer.json()))

    def _list(self, client: httpx.Client, **asked: Any) -> Any:
        return client.post("/recommendations", json=asked).raise_for_status().json()

    def _tell(self, client: httpx.Client, listed: Any) -> None:
        """The higher a movie stands the more often it is clicked; half of the clicked are watched."""
        for place, movie in enumerate(listed["recommendations"][:4], start=1):
            if self._chance.random() < 0.3 / place:
                self._feedback(client, listed, movie, "clicked")
                if self._chance.random() < 0.5:
                    self._feedback(client, listed, movie, "watched")

    def _feedback(self, client: httpx.Client, listed: Any, movie: Any, event: str) -> None:
        told = {"recommendation_id": listed["recommendation_id"], "movie_id": movie["movie_id"]}
        client.post("/feedback", json=told | {"event": event})

    def _history(self) -> list[dict[str, object]]:
        chosen = self._chance.sample(self._movies, 8)
        return [{"movie_id": one["movie_id"], "rating": self._chance.randint(2, 5)} for one in chosen]
