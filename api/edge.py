"""The outermost layer: every request has an id, and what nobody foresaw becomes a 500 that says nothing.

While the process stops each answer closes its connection, so that the next request finds another process.
"""

import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.asked import CURRENT, Asked, RequestLog, place
from api.problems import problem
from api.standing import Standing

log = logging.getLogger("marquee.api")
HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
INTERNAL = "Something went wrong on our side. The log has it under the id in X-Request-ID."


class Edge:
    def __init__(self, app: ASGIApp, standing: Standing, lines: RequestLog) -> None:
        self._app, self._standing, self._lines = app, standing, lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Asked(_request_id(scope))
        CURRENT.set(asked)  # for the task of this request

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = asked.request_id
                if self._standing.stopping:
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception as error:  # the process's edge
            asked.failed = True
            log.error("the request failed", extra={"fields": place(scope)}, exc_info=error)
            if asked.status:
                raise ConnectionError("the answer broke off") from None  # the server logs what it gets
            await problem(500, INTERNAL)(scope, receive, named)
        finally:
            asked.end()
            self._lines.tell(scope, asked)


def _request_id(scope: Scope) -> str:
    """The caller's own id when it looks sane, so that both logs have the same."""
    given = Headers(scope=scope).get(HEADER, "")
    return given if SANE.fullmatch(given) else secrets.token_hex(8)
