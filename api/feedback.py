"""POST /feedback: what a viewer did with a recommendation."""

from datetime import UTC, datetime
from typing import Literal, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import Connection, text

from api.asked import asked_now
from api.auth import SignedIn
from api.fields import Body, Id
from api.platform import Here
from api.problems import BadField, responses
from api.served import time_of, user_of
from api.views import Mark
from recommender.database import client_scope
from recommender.errors import NotFound
from recommender.history import LIKED
from recommender.users import Rated, add_ratings, claim, dismiss, find_ids

router = APIRouter(tags=["feedback"])


class FeedbackAsked(Body):
    recommendation_id: UUID
    movie_id: Id
    event: Literal["shown", "clicked", "watched", "rated", "dismissed"]
    rating: Mark | None = None

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "recommendation_id": "0199c2a0-7b1e-8abc-8000-0000004aaaaa",
                    "movie_id": 1,
                    "event": "watched",
                    "rating": 4.5,
                }
            ]
        }
    }

    @model_validator(mode="after")
    def _rating_fits(self) -> Self:
        if self.event == "rated" and self.rating is None:
            raise ValueError("a rated event wants a rating")
        if self.event not in ("rated", "watched") and self.rating is not None:
            raise ValueError("only a rated or watched event has a rating")
        return self


class FeedbackStored(BaseModel):
    user_id: int
    changed: bool = Field(description="False when the same was told before: nothing is done twice.")


_STORE = text("""
    INSERT INTO feedback (client_id, user_id, recommendation_id, movie_id, event, rating)
    VALUES (:client_id, :user_id, :recommendation_id, :movie_id, :event, :rating)
    ON CONFLICT (recommendation_id, movie_id, event)
    DO UPDATE SET rating = excluded.rating, received_at = now()
    WHERE feedback.rating IS DISTINCT FROM excluded.rating
    RETURNING 1
""")
_LISTED = text("""
    SELECT version, array_position(movie_ids, :movie_id) AS place FROM recommendations
    WHERE recommendation_id = :recommendation_id AND served_at = :served_at
""")


@router.post(
    "/feedback", status_code=201, responses=responses(404), summary="Say what became of a recommendation"
)
def tell(here: Here, client: SignedIn, asked: FeedbackAsked) -> FeedbackStored:
    """`rated` is a rating, `watched` alone counts as liked, `dismissed` bars the movie for good."""
    asked_now().recommendation_id = asked.recommendation_id
    user_id = user_of(asked.recommendation_id)
    if asked.movie_id not in here.shelf.stock.catalogue:
        raise BadField("movie_id", f"there is no movie {asked.movie_id}")
    with client_scope(here.engine, client.client_id) as connection:
        known, _ = find_ids(connection, client.client_id, [user_id], [])
        if user_id not in known:
            raise NotFound(f"There is no recommendation {asked.recommendation_id}.")
        changed = _store(connection, client.client_id, user_id, asked)
        if changed:
            version, place = _listed(connection, asked)
            _act(connection, client.client_id, user_id, asked)
    if changed:
        here.metrics.lists.told(asked.event, place, champions=here.shelf.is_champion(version))
    return FeedbackStored(user_id=user_id, changed=changed)


def _store(connection: Connection, client_id: int, user_id: int, asked: FeedbackAsked) -> bool:
    row = {"client_id": client_id, "user_id": user_id, **asked.model_dump()}
    return connection.execute(_STORE, row).first() is not None


def _listed(connection: Connection, asked: FeedbackAsked) -> tuple[str | None, int | None]:
    """Whose list it was and where the movie stood in it, once the line of the log is written."""
    found = {"recommendation_id": asked.recommendation_id, "movie_id": asked.movie_id}
    row = connection.execute(_LISTED, found | {"served_at": time_of(asked.recommendation_id)}).one_or_none()
    return (row.version, row.place) if row else (None, None)


def _act(connection: Connection, client_id: int, user_id: int, asked: FeedbackAsked) -> None:
    if asked.event == "dismissed":
        dismiss(connection, client_id, user_id, asked.movie_id)
    if asked.event in ("rated", "watched"):
        claim(connection, client_id, [user_id])
        rating = LIKED if asked.rating is None else asked.rating
        now = datetime.now(UTC)
        row = Rated(user_id, asked.movie_id, rating, implied=asked.rating is None, rated_at=now)
        add_ratings(connection, client_id, [row])
