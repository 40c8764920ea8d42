"""Lists made each night for every user of a client that asks, and sent as NDJSON, a line a user."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import Row, text

from api.auth import Client, SignedIn, identified
from api.clients import Me, read_client
from api.fields import Body
from api.platform import Here, Platform
from api.problems import responses
from api.wishes import NightlyList, NightlyPick
from recommender.database import client_scope
from recommender.errors import NotFound

router = APIRouter(tags=["recommendations"])
NDJSON = "application/x-ndjson"
SENT = {
    "description": "A line for each user.",
    "content": {NDJSON: {"schema": {"$ref": "#/components/schemas/NightlyList"}}},
}
PAGE = 500  # users whose lists are held at once


class NightlyLists(Body):
    k: Annotated[int, Field(ge=1, le=100)] | None = Field(
        description="How many movies for each user; null: no lists.", examples=[20]
    )


@router.put("/client/nightly-lists", summary="Ask for nightly lists")
def ask_for_lists(here: Here, client: SignedIn, asked: NightlyLists) -> Me:
    """From the next night on there is a list for each of your users, or none any more."""
    with client_scope(here.engine, client.client_id) as connection:
        connection.execute(_ASK, {"client_id": client.client_id, "k": asked.k})
        return read_client(connection, client.client_id)


_ASK = text("UPDATE clients SET nightly_k = :k WHERE client_id = :client_id")


async def in_turn(here: Here, client: Annotated[Client, Depends(identified)]) -> AsyncIterator[Client]:
    async with here.turns.of(client.client_id):
        yield client


# Its turn is given back before the lists are sent: each page takes one of its own.
Reader = Annotated[Client, Depends(in_turn, scope="function")]


@router.get(
    "/recommendations/export",
    response_class=StreamingResponse,
    responses=responses(404) | {200: SENT},
    summary="A day's nightly lists",
)
async def export_lists(
    here: Here,
    reader: Reader,
    day: Annotated[date, Query(description="The day of the data, in UTC.", examples=["2026-01-31"])],
) -> StreamingResponse:
    """Every user's list of the day, in the order of the users' ids, as NDJSON. Lists are kept for a week."""
    first = await to_thread.run_sync(_page, here, reader.client_id, day, 0)
    if not first:
        raise NotFound(f"There are no lists of {day}.")
    return StreamingResponse(_lines(here, reader.client_id, day, first), media_type=NDJSON)


async def _lines(here: Platform, client_id: int, day: date, page: Sequence[Row[Any]]) -> AsyncIterator[bytes]:
    """No connection is held while the client reads."""
    while page:
        yield b"".join(_line(row) for row in page)
        last = page[-1].user_id
        async with here.turns.of(client_id):
            page = await to_thread.run_sync(_page, here, client_id, day, last)


def _page(here: Platform, client_id: int, day: date, after: int) -> Sequence[Row[Any]]:
    with client_scope(here.engine, client_id) as connection:
        asked = {"client_id": client_id, "day": day, "after": after, "limit": PAGE}
        return connection.execute(_PAGE, asked).all()


_PAGE = text("""
    SELECT l.user_id, u.external_id, l.version, l.source, l.movie_ids, l.scores
    FROM nightly_lists l JOIN users u USING (client_id, user_id)
    WHERE l.client_id = :client_id AND l.day = :day AND l.user_id > :after
    ORDER BY l.user_id LIMIT :limit
""")


def _line(row: Row[Any]) -> bytes:
    ranked = zip(row.movie_ids, row.scores, strict=True)
    line = NightlyList(
        user_id=row.user_id,
        external_id=row.external_id,
        version=row.version,
        source=row.source,
        recommendations=[NightlyPick(movie_id=movie_id, score=score) for movie_id, score in ranked],
    )
    return line.model_dump_json().encode() + b"\n"
