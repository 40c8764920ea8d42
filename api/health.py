"""What an operator's machines read: is it alive, can it answer, and its metrics."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.platform import Here

router = APIRouter(tags=["operation"])


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Literal["ready", "starting"]
    database: Literal["ok", "away"] = Field(description="When it was last asked, a few seconds ago at most.")
    model: str | None = Field(description="The model version that ranks; null: the most popular are served.")
    catalogue: int = Field(description="Movies that can be recommended.", examples=[1240])
    schema_: str | None = Field(
        alias="schema", description="The migration of the database.", examples=["0002"]
    )
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
    """Whether something can be recommended. Once it can, trouble is in the body and the status stays 200."""
    shelf = here.shelf
    answers = len(shelf.stock.catalogue) > 0
    response.status_code = 200 if answers else 503
    return Ready(
        status="ready" if answers else "starting",
        database="away" if shelf.database_away else "ok",
        model=shelf.stock.version,
        catalogue=len(shelf.stock.catalogue),
        schema=shelf.schema,
        schema_ok=shelf.schema_ok,
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
    summary="Metrics for Prometheus",
)
async def metrics(here: Here) -> Response:
    """For Prometheus."""
    return Response(generate_latest(here.metrics.registry), media_type=CONTENT_TYPE_LATEST)
