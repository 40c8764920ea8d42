"""RFC 9457: each error becomes application/problem+json here and nowhere else."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from recommender.errors import Away, BadInput, Busy, MarqueeError, NotFound, Refused, Taken

log = logging.getLogger("marquee.api")
CONTENT_TYPE = "application/problem+json"
SHOWN = 20  # faults of one request that are named
STATUS: dict[type[MarqueeError], int] = {
    BadInput: 422,
    NotFound: 404,
    Refused: 401,
    Taken: 409,
    Away: 503,
    Busy: 503,
    MarqueeError: 500,
}
TITLES = {  # our own, because Python's change with its version
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}


class Fault(BaseModel):
    field: str = Field(examples=["history[3].rating"])
    message: str = Field(examples=["Input should be less than or equal to 5"])


class Problem(BaseModel):
    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no user 17."])
    errors: list[Fault] | None = Field(None, description="The fields that are wrong, of a 422.")


class BadField(BadInput):
    """One field breaks a rule that its type cannot say."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.fault = Fault(field=field, message=message)


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: Sequence[Fault] = ()
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = [fault.model_dump() for fault in errors]
    # ASCII, because a field's name may hold what UTF-8 cannot.
    return Response(json.dumps(body), status, {**HEADERS.get(status, {}), **(headers or {})}, CONTENT_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(MarqueeError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _ours(_: Request, error: Exception) -> Response:
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("503: %s", error)
        return problem(status, "The database does not answer, or is busy. Try again in a moment.")
    return problem(status, str(error), errors=[error.fault] if isinstance(error, BadField) else ())


async def _http(request: Request, error: Exception) -> Response:
    refused = cast(HTTPException, error)
    if refused.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(405, "This address does not know that method.", {"Allow": _allowed(request)})
    nowhere = refused.detail == HTTPStatus.NOT_FOUND.phrase  # the framework's whole sentence
    detail = "There is nothing at this address." if nowhere else refused.detail
    return problem(refused.status_code, detail, refused.headers)


def _allowed(request: Request) -> str:
    """Of every route at this address; the framework names those of the first."""
    here = (r for r in iter_route_contexts(request.app.routes) if r.matches(request.scope)[0] != Match.NONE)
    return ", ".join(sorted({method for route in here for method in route.methods or ()}))


async def _invalid(_: Request, error: Exception) -> Response:
    faults = cast(RequestValidationError, error).errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(400, "The body is not JSON.")
    named = [Fault(field=_field(fault["loc"]), message=_message(fault["msg"])) for fault in faults[:SHOWN]]
    detail = "One field is wrong." if len(faults) == 1 else f"{len(faults)} fields are wrong."
    return problem(422, detail, errors=named)


def _message(text: str) -> str:
    return text.removeprefix("Value error, ")[:200]


def _field(where: Sequence[int | str]) -> str:
    """("body", "history", 3, "rating") -> "history[3].rating"; a whole body is "body"."""
    path = where[1:] or where[:1]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return name.removeprefix(".")[:200]


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer instead, for its `responses=`. openapi.py adds what every route shares."""
    return {status: {"description": TITLES[status]} for status in statuses}
