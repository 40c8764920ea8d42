"""A client of a running API: registers, signs in, lists movies, adds users and deletes them again."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from simulator.errors import SimulatorError

PAGE = 100
TIMEOUT = 30.0
TRIES = 5
PAUSE_S = 1.0


def split_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SimulatorError(f"{text} is not the address of an API, like http://127.0.0.1:8000.")
    return url


class Account:
    def __init__(self, url: SplitResult, http: httpx.Client) -> None:
        self.url, self._http = url, http
        self.token = ""

    def reach(self, wait_s: float) -> None:
        """Waits until an API is there, which tells who has not signed in to do so."""
        deadline = time.monotonic() + wait_s
        while trouble := self._absent():
            if time.monotonic() >= deadline:
                raise SimulatorError(trouble)
            time.sleep(PAUSE_S)

    def _absent(self) -> str:
        try:
            answer = self._sent("GET", "/client")
        except SimulatorError as error:
            return error.message
        return "" if answer.status_code == httpx.codes.UNAUTHORIZED else refusal(answer)

    def register(self, username: str, password: str, key: str | None) -> None:
        new = {"username": username, "password": password, "name": username}
        new["email"] = f"{username}@example.com"
        headers = {"X-Registration-Key": key} if key else {}
        self._read(self._send("POST", "/create-client", json=new, headers=headers), "client_id")

    def sign_in(self, username: str, password: str) -> None:
        answer = self._send("POST", "/token", data={"username": username, "password": password})
        if answer.status_code in (400, 401, 403):
            raise SimulatorError(f"The API at {self._http.base_url} refused the login of {username}.")
        self.token = str(self._read(answer, "access_token"))
        self._http.headers["Authorization"] = f"Bearer {self.token}"

    def movie_ids(self, limit: int) -> list[int]:
        """The first `limit` of the catalogue."""
        return [movie["movie_id"] for movie in islice(self.catalogue(), limit)]

    def catalogue(self) -> Iterator[dict[str, Any]]:
        """Every movie, page by page."""
        cursor: Any = None
        while True:
            answer = self._page(PAGE, cursor)
            yield from self._read(answer, "movies")
            cursor = self._read(answer, "next_cursor")
            if cursor is None:
                return

    def movies(self, limit: int) -> list[dict[str, Any]]:
        """The first `limit` of the catalogue, as far as one page goes."""
        movies: list[dict[str, Any]] = self._read(self._page(limit), "movies")
        return movies

    def _page(self, limit: int, cursor: Any = None) -> httpx.Response:
        params = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
        return self._send("GET", "/movies", params=params)

    def recommend(self, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._send("POST", "/recommendations", json=body)
        self._read(answer, "recommendations")
        told: dict[str, Any] = answer.json()
        return told

    def rate(self, ratings: Sequence[Mapping[str, Any]]) -> int:
        """How many are stored."""
        return int(self._read(self._send("POST", "/ratings", json={"ratings": ratings}), "stored"))

    def model(self) -> str | None:
        """The version that serves; None while popularity does, or nothing yet."""
        answer = self._send("GET", "/health/ready")
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None
        version: str | None = self._read(answer, "model")
        return version

    def add_user(self, body: Mapping[str, Any]) -> Any:
        return self._read(self._send("POST", "/recommendations", json=body), "user_id")

    def delete_user(self, user_id: Any) -> bool:
        """Whether the user is gone."""
        return self._send("DELETE", f"/users/{user_id}").status_code in (200, 202, 204, 404)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Waits when the API says that this client asks too often."""
        for _ in range(TRIES - 1):
            answer = self._sent(method, path, **options)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return answer
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        return self._sent(method, path, **options)

    def _sent(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise SimulatorError(f"No answer from {self._http.base_url} within {TIMEOUT:g} s.") from error
        except httpx.HTTPError as error:
            raise SimulatorError(f"Nothing answers at {self._http.base_url} ({error}).") from error

    def _read(self, answer: httpx.Response, field: str) -> Any:
        if not answer.is_success:
            raise SimulatorError(refusal(answer))
        try:
            return answer.json()[field]
        except (ValueError, KeyError, TypeError) as error:
            raise SimulatorError(
                f"The answer to {asked(answer)} has no {field}; is this Marquee's API?"
            ) from error


def asked(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path}"


def refusal(answer: httpx.Response) -> str:
    """With the problem's own sentence, where it is one."""
    try:
        said = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        said = answer.text[:200]
    return f"{asked(answer)} was answered with {answer.status_code}: {said}"


@contextmanager
def opened(address: str) -> Iterator[Account]:
    url = split_url(address)
    # No proxy of the environment comes between: the API that is named is the API that is measured.
    with httpx.Client(base_url=address, timeout=TIMEOUT, trust_env=False) as http:
        yield Account(url, http)


@contextmanager
def signed_in(address: str, username: str, password: str) -> Iterator[Account]:
    with opened(address) as account:
        account.sign_in(username, password)
        yield account
