"""GET /model: the card of the champion that this process serves."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import SignedIn
from api.platform import Here
from api.problems import responses
from recommender.database import client_scope
from recommender.errors import NotFound
from recommender.registry import read_card

router = APIRouter(tags=["model"])


class ModelView(BaseModel):
    version: str
    card: dict[str, Any]


@router.get("/model", responses=responses(404), summary="The model that serves")
def champion(here: Here, client: SignedIn) -> ModelView:
    version = here.shelf.stock.version
    with client_scope(here.engine, client.client_id) as connection:
        if version is None:
            raise NotFound("No model is published yet; lists are ranked by popularity.")
        return ModelView(version=version, card=dict(read_card(connection, version)))
