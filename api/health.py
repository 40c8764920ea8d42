"""What an operator's machines read: is it alive, can it answer, and its metrics."""

from collections.abc import Iterator
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.platform import Here
from api.shelf import SCHEMA, Shelf
from api.standing import Status

router = APIRouter(tags=["operation"])


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Status
    missing: list[str] = Field(description="What is not there, each with what follows or what to do.")
    database: Literal["ok", "away"] = Field(description="When it was last asked, a few seconds ago at most.")
    model: str | None = Field(description="The model version that ranks; null: the most popular are served.")
    catalogue: int = Field(description="Movies that can be recommended.", examples=[1240])
    schema_: str | None = Field(
        alias="schema", description="The migration of the database when last seen.", examples=["0002"]
    )
    schema_needed: str = Field(description="The migration that this process needs.", examples=["0002"])
    schema_ok: bool = Field(
        description="Whether that is the migration that this process needs, or a later one."
    )


# async, so that an answer never waits for a thread that waits for the database
@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", summary="Is the process alive")
async def live() -> Alive:
    """The process runs."""
    return Alive()


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", responses={503: {"model": Ready}}, summary="Can it recommend")
async def ready(here: Here, response: Response) -> Ready:
    """200 from when something could be recommended until the process stops. Trouble is in the body only."""
    shelf, status = here.shelf, here.standing.status
    response.status_code = 200 if status == "ready" else 503
    return Ready(
        status=status,
        missing=list(missing(shelf)),
        database="away" if shelf.database_away else "ok",
        model=shelf.stock.version,
        catalogue=len(shelf.stock.catalogue),
        schema=shelf.schema,
        schema_needed=SCHEMA,
        schema_ok=shelf.schema_ok,
    )


def missing(shelf: Shelf) -> Iterator[str]:
    version = shelf.stock.version
    if shelf.database_away:
        yield "The database does not answer."
    if not shelf.schema_ok and (shelf.schema or not shelf.database_away):
        seen = f"is {shelf.schema}" if shelf.schema else "cannot be read"
        yield f"The schema {seen}; this process needs {SCHEMA} or a later one: run marquee migrate."
    elif not len(shelf.stock.catalogue):
        yield "No movie was seen yet: run marquee starter, or load a day."
    if shelf.wanted not in (None, version):
        yield f"Model {shelf.wanted} is not loaded: {version or 'popularity'} ranks in its place."
    elif version is None:
        yield "No model was seen yet: the most popular are served."


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
    summary="Metrics for Prometheus",
)
async def metrics(here: Here) -> Response:
    """For Prometheus."""
    return Response(generate_latest(here.metrics.registry), media_type=CONTENT_TYPE_LATEST)
