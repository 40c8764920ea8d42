"""POST /ratings: up to 1,000 ratings of any of the client's users, all stored or none."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.auth import SignedIn
from api.fields import Body
from api.platform import Here
from api.problems import responses
from api.views import HistoryItem, Unknown, find_movie
from api.wishes import UserName
from recommender.database import client_scope
from recommender.history import LIKED
from recommender.users import Rated, add_ratings, claim, ids_of_names

router = APIRouter(tags=["ratings"])


class RatingItem(UserName, HistoryItem):
    """A rating without a mark counts as liked; a user named for the first time is made."""


class RatingsAsked(Body):
    ratings: Annotated[list[RatingItem], Field(min_length=1, max_length=1000)]

    model_config = {
        "json_schema_extra": {
            "examples": [{"ratings": [{"external_id": "viewer-17", "title": "Alien (1979)", "rating": 4.5}]}]
        }
    }


class UnknownRating(Unknown):
    index: int = Field(description="Its place in the request.")


class RatingsStored(BaseModel):
    stored: int
    users: int
    unknown: list[UnknownRating] = Field(
        description="Ratings of movies that could not be placed; not stored."
    )


@router.post("/ratings", responses=responses(404), summary="Store ratings")
def rate(here: Here, client: SignedIn, asked: RatingsAsked) -> RatingsStored:
    """Ratings of several users at once. An unknown `user_id` refuses the whole request."""
    catalogue = here.shelf.stock.catalogue
    found = [find_movie(catalogue, item) for item in asked.ratings]
    known = [
        (item, movie) for item, movie in zip(asked.ratings, found, strict=True) if isinstance(movie, int)
    ]
    names = [item.external_id for item, _ in known if item.external_id is not None]
    with client_scope(here.engine, client.client_id) as connection:
        ids, made = ids_of_names(connection, client.client_id, names) if names else ({}, 0)
        rows = [_rated(item, movie, ids) for item, movie in known]
        users = {item.user_id for item in asked.ratings if item.user_id is not None} | set(ids.values())
        claim(connection, client.client_id, users)
        if rows:
            add_ratings(connection, client.client_id, rows)
    unknown = [
        UnknownRating(index=i, **movie.__dict__)
        for i, movie in enumerate(found)
        if isinstance(movie, Unknown)
    ]
    here.metrics.users_created.inc(made)
    here.metrics.unknown_movies.inc(len(unknown))
    return RatingsStored(stored=len(rows), users=len({row.user_id for row in rows}), unknown=unknown)


def _rated(item: RatingItem, movie_id: int, ids: dict[str, int]) -> Rated:
    user_id = ids[item.external_id] if item.external_id is not None else item.user_id
    assert user_id is not None, "UserName has one of the two"  # noqa: S101
    rating = LIKED if item.rating is None else item.rating
    return Rated(user_id, movie_id, rating, item.rating is None, item.rated_at)
