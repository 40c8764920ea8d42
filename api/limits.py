"""What one caller may ask for: how often, from which address, and how much at once.

Rates are kept by each process for itself, so N replicas allow N times as much.
"""

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problems import problem
from api.settings import ApiSettings, Network

KEYS = 10_000
WITH_PORT = re.compile(r"\[([^]]+)\](?::\d+)?|([\d.]+):\d+")  # [::1]:5, [::1], 1.2.3.4:5
TOO_LARGE = "The body has more than {} bytes."
BODY_S = 30.0  # for a body to come: whoever sends a byte a minute would hold a connection for as long
TOO_SLOW = "The body did not come within {:g} seconds."
CLOSING = {"Connection": "close"}  # what is left of a body is not read


class Rate:
    """A token bucket for each key; the key unused longest is forgotten when there are too many."""

    def __init__(
        self,
        per_s: float,
        burst: int,
        keys: int = KEYS,
        clock: Callable[[], float] = time.monotonic,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._per_s, self._burst, self._keys, self._clock = per_s, burst, keys, clock
        self._refused = refused
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # tokens left, when seen

    def wait_s(self, key: Hashable) -> float:
        """Takes a turn and says 0, or says how long until there is one."""
        now = self._clock()
        left, seen = self._buckets.pop(key, (float(self._burst), now))
        left = min(self._burst, left + (now - seen) * self._per_s)
        allowed = left >= 1
        self._buckets[key] = (left - allowed, now)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_s

    def take(self, key: Hashable) -> None:
        wait_s = self.wait_s(key)
        if wait_s:
            self._refused()
            raise HTTPException(
                429, "Too many requests. Try again later.", {"Retry-After": str(math.ceil(wait_s))}
            )


@dataclass(frozen=True, slots=True)
class Limits:
    requests: Rate  # by client
    token_addresses: Rate
    token_names: Rate
    registrations: Rate  # by address

    @classmethod
    def of(cls, settings: ApiSettings, metrics: Metrics) -> "Limits":
        token, create, refused = settings.token_rate, settings.create_rate, metrics.rate_limited
        return cls(
            requests=Rate(settings.client_rate, 2 * settings.client_rate, refused=refused["requests"].inc),
            token_addresses=Rate(token / 60, token, refused=refused["token_addresses"].inc),
            token_names=Rate(token / 60, token, refused=refused["token_names"].inc),
            registrations=Rate(create / 60, create, refused=refused["registrations"].inc),
        )


def address_of(request: Request, proxies: Iterable[Network]) -> str:
    """The nearest address that is no trusted proxy's; what stands further left anybody can write."""
    hops = [hop.strip() for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    nearest = _address(request.client.host if request.client else "")
    while hops and any(nearest in network for network in proxies):
        before = _address(hops.pop())
        if before is None:
            break
        nearest = before
    return _subscriber(nearest)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write the port too."""
    with_port = WITH_PORT.fullmatch(text)
    try:
        address = ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _subscriber(address: IPv4Address | IPv6Address | None) -> str:
    """Who has an IPv6 address has a /64 of them."""
    return str(ip_network((address, 64), strict=False) if isinstance(address, IPv6Address) else address)


class BodyLimit:
    """Refuses a body that is too large, whether or not its length was said, or that is too slow."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and int(said) > self._limit:
            await problem(413, TOO_LARGE.format(self._limit), CLOSING)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        total, whole, until = 0, False, asyncio.get_running_loop().time() + BODY_S

        async def counted() -> Message:
            nonlocal total, whole
            if whole:  # what comes then is that the caller hangs up
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, TOO_SLOW.format(BODY_S), CLOSING) from None
            whole = not message.get("more_body")
            total += len(message.get("body", b""))
            if total > self._limit:
                raise HTTPException(413, TOO_LARGE.format(self._limit), CLOSING)
            return message

        return counted
