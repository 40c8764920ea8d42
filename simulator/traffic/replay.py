"""Sends a tape again: the same requests at the same distances, and compares what is answered."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulator.account import TIMEOUT
from simulator.errors import SimulatorError
from simulator.traffic.login import UNAUTHORIZED, Login
from simulator.traffic.tape import Exchange
from simulator.traffic.visit import Reply

LIST = "recommendation_id"


@dataclass
class Replayed:
    sent: int = 0
    statuses: Counter[tuple[int, int]] = field(default_factory=Counter)  # on the tape, and now
    lists: int = 0  # answered both times
    same_lists: int = 0
    left_out: int = 0  # about a list that was not answered now

    @property
    def changed(self) -> int:
        return sum(count for (before, now), count in self.statuses.items() if before != now)

    def count(self, exchange: Exchange, now: Reply) -> None:
        self.sent += 1
        self.statuses[exchange.status, now.status] += 1
        if LIST in exchange.answer and LIST in now.body:
            self.lists += 1
            self.same_lists += titles(exchange.answer) == titles(now.body)


def titles(answer: Mapping[str, Any]) -> list[Any]:
    return [movie["movie_id"] for movie in answer.get("recommendations", [])]


class Replay:
    """What one viewer did keeps its order, however slow the answers are. Lists have other ids now."""

    def __init__(self, http: httpx.AsyncClient, logins: Sequence[Login], speed: float) -> None:
        self._http, self._logins, self._speed = http, logins, speed
        self._owners: dict[str, Any] = {}  # of the lists of the tape
        self._ids: dict[str, str] = {}  # that they have now
        self._last: dict[Any, asyncio.Task[None]] = {}  # by viewer
        self._signing_in = [asyncio.Lock() for _ in logins]
        self.done = Replayed()

    async def run(self, exchanges: Sequence[Exchange]) -> Replayed:
        for login in self._logins:
            await self._sign_in(login)
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.TaskGroup() as sending:
            for exchange in exchanges:
                if exchange.status == UNAUTHORIZED:  # it was sent again with another token
                    continue
                await asyncio.sleep(max(0.0, began + exchange.at / self._speed - clock()))
                viewer = self._whose(exchange)
                before = self._last.get(viewer)
                self._last[viewer] = sending.create_task(self._send(exchange, before))
        return self.done

    def _whose(self, exchange: Exchange) -> Any:
        body = exchange.body
        if LIST in body:
            return self._owners.get(body[LIST])
        named = body["ratings"][0] if body.get("ratings") else body
        viewer = exchange.client, named.get("external_id")
        if LIST in exchange.answer:
            self._owners[exchange.answer[LIST]] = viewer
        return viewer

    async def _send(self, exchange: Exchange, before: asyncio.Task[None] | None) -> None:
        if before:
            await before
        body = dict(exchange.body)
        if LIST in body:
            if body[LIST] not in self._ids:
                self.done.left_out += 1
                return
            body[LIST] = self._ids[body[LIST]]
        reply = await self._asked(exchange, body)
        self.done.count(exchange, reply)
        if LIST in exchange.answer and LIST in reply.body:
            self._ids[exchange.answer[LIST]] = reply.body[LIST]

    async def _asked(self, exchange: Exchange, body: Mapping[str, Any]) -> Reply:
        login = self._logins[exchange.client]
        used = login.token
        reply = await self._request(exchange, body, used)
        if reply.status != UNAUTHORIZED:
            return reply
        async with self._signing_in[exchange.client]:
            if login.token == used:  # another request may have found it out meanwhile
                await self._sign_in(login)
        return await self._request(exchange, body, login.token)

    async def _request(self, exchange: Exchange, body: Mapping[str, Any], token: str) -> Reply:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._http.request(exchange.method, exchange.path, json=body, headers=headers)
        except httpx.HTTPError:
            return Reply(0, {})
        return Reply.of(answer)

    async def _sign_in(self, login: Login) -> None:
        form = {"username": login.username, "password": login.password}
        try:
            answer = await self._http.post("/token", data=form)
        except httpx.HTTPError as error:
            raise SimulatorError(f"Nothing answers at {self._http.base_url} ({error}).") from error
        if not answer.is_success:
            raise SimulatorError(f"The API at {self._http.base_url} refused the login of {login.username}.")
        login.token = str(answer.json()["access_token"])


async def replayed(
    url: str, logins: Sequence[Login], exchanges: Sequence[Exchange], speed: float
) -> Replayed:
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as http:
        try:
            return await Replay(http, logins, speed).run(exchanges)
        except* SimulatorError as several:
            raise SimulatorError(str(several.exceptions[0])) from None
