"""The demo client: an outside client like any other, that talks to the API over HTTP."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from recommender.errors import Failed
from recommender.local.process import last_line

READY_WITHIN_S = 60.0
USERNAME = "demo"
VIEWER = "demo-viewer"
HISTORY = ("The Matrix (1999)", "Inception (2010)", "Toy Story (1995)", "Spirited Away (2001)")


class Demo:
    def __init__(self, address: str, password: str) -> None:
        self._http = httpx.Client(base_url=address, timeout=30, trust_env=False)  # no proxy leads here
        self._password = password

    def wait_until_alive(self, child: subprocess.Popen[bytes], log: Path) -> None:
        """Without a movie it is alive and not yet ready."""
        deadline = time.monotonic() + READY_WITHIN_S
        while (trouble := self._trouble()) is not None:
            if child.poll() is not None:
                raise Failed(f"The API did not start: {last_line(log.read_bytes())} (more in {log})")
            if time.monotonic() > deadline:
                raise Failed(f"The API is not up after {READY_WITHIN_S:.0f} s: {trouble} (more in {log})")
            time.sleep(0.1)

    def _trouble(self) -> str | None:
        try:
            answer = self._http.get("/health/live")
        except httpx.HTTPError as error:
            return str(error)
        return None if answer.status_code == 200 else answer.text[:300]

    def wait_for_model(self) -> str:
        """The version that it serves; a running API looks for a new one every few seconds."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not (version := self._http.get("/health/ready").json()["model"]):
            if time.monotonic() > deadline:
                raise Failed(f"The API serves no model after {READY_WITHIN_S:.0f} s.")
            time.sleep(0.1)
        return str(version)

    def register(self) -> bool:
        """False when it was registered before."""
        who = {"username": USERNAME, "name": "Demo", "email": "demo@example.org", "password": self._password}
        return self._post("/create-client", expect=(201, 409), json=who).status_code == 201

    def sign_in(self) -> None:
        form = {"username": USERNAME, "password": self._password}
        answer = self._post("/token", expect=(200, 401), data=form)
        if answer.status_code == 401:
            raise Failed(
                f"The database knows the client {USERNAME} with another password. "
                f"Delete it with `marquee clients delete {USERNAME}` and start again."
            )
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def recommend(self) -> dict[str, Any]:
        history = [{"title": title, "rating": 5} for title in HISTORY]
        wanted = {"external_id": VIEWER, "history": history, "k": 5}
        answer: dict[str, Any] = self._post("/recommendations", json=wanted).json()
        return answer

    def close(self) -> None:
        self._http.close()

    def _post(
        self,
        path: str,
        *,
        expect: tuple[int, ...] = (200,),
        json: Mapping[str, object] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = self._http.post(path, json=json, data=data)
        except httpx.HTTPError as error:
            raise Failed(f"The API does not answer to POST {path}: {error}") from error
        if answer.status_code not in expect:
            raise Failed(f"POST {path} was answered with {answer.status_code}: {answer.text[:300]}")
        return answer
