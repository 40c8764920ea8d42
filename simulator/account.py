"""A registered client of a running API: signs in, lists movies, adds users and deletes them again."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from simulator.errors import SimulatorError

PAGE = 100
TIMEOUT = 30.0
TRIES = 5


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

    def sign_in(self, username: str, password: str) -> None:
        answer = self._send("POST", "/token", data={"username": username, "password": password})
        if answer.status_code in (400, 401, 403):
            raise SimulatorError(f"The API at {self._http.base_url} refused the login of {username}.")
        self.token = str(self._read(answer, "access_token"))
        self._http.headers["Authorization"] = f"Bearer {self.token}"

    def movie_ids(self, limit: int) -> list[int]:
        """The first `limit` of the catalogue, page by page."""
        ids: list[int] = []
        cursor: Any = None
        while len(ids) < limit:
            params = {"limit": PAGE} if cursor is None else {"limit": PAGE, "cursor": cursor}
            answer = self._send("GET", "/movies", params=params)
            ids += [movie["movie_id"] for movie in self._read(answer, "movies")]
            cursor = self._read(answer, "next_cursor")
            if cursor is None:
                break
        return ids[:limit]

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
        asked = f"{answer.request.method} {answer.request.url.path}"
        if not answer.is_success:
            raise SimulatorError(f"{asked} was answered with {answer.status_code}: {answer.text[:200]}")
        try:
            return answer.json()[field]
        except (ValueError, KeyError, TypeError) as error:
            raise SimulatorError(f"The answer to {asked} has no {field}; is this Marquee's API?") from error


@contextmanager
def signed_in(address: str, username: str, password: str) -> Iterator[Account]:
    url = split_url(address)
    # No proxy of the environment comes between: the API that is named is the API that is measured.
    with httpx.Client(base_url=address, timeout=TIMEOUT, trust_env=False) as http:
        account = Account(url, http)
        account.sign_in(username, password)
        yield account
