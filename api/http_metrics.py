"""The figures of prometheus-fastapi-instrumentator, taken where the route is known already.

Its own layer matches the path against every route before the application does so once more, which is most of
what metrics would cost.
"""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator.metrics import Info, default
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
# Nobody's requests: some a second by machines, and the page of the operators that asks again by itself.
PROBES = {"/health/live", "/health/ready", "/metrics", "/ops", "/ops/figures", "/ops/{file}"}
NO_ROUTE = "none"
Record = Callable[[Info], None]


def recorder(registry: CollectorRegistry) -> Record:
    record = default(registry=registry, latency_lowr_buckets=BUCKETS)
    assert record is not None, "the registry has these metrics already"  # noqa: S101
    return record


class HttpMetrics:
    def __init__(self, app: ASGIApp, record: Record) -> None:
        self._app, self._record = app, record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, headers = time.perf_counter(), 500, Headers()

        async def seen(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], Headers(raw=message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            handler = getattr(scope.get("route"), "path", NO_ROUTE)
            if handler not in PROBES:
                self._record(_info(scope, handler, status, headers, time.perf_counter() - began))


def method_of(scope: Scope) -> str:
    """Anybody may invent methods; each would be a series."""
    return scope["method"] if scope["method"] in METHODS else "other"


def _info(scope: Scope, handler: str, status: int, headers: Headers, seconds: float) -> Info:
    answer = Response(headers=headers)
    return Info(Request(scope), answer, method_of(scope), handler, str(status), seconds, seconds)
