"""GET and DELETE /users/{id}: what is known of a user, all of it, and none of it any more."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.auth import SignedIn
from api.fields import Id
from api.platform import Here
from api.problems import responses
from recommender.catalogue import Catalogue
from recommender.database import client_scope
from recommender.deletions import delete_user
from recommender.history import LIKED, History
from recommender.users import User, export_user, moment, read_user

router = APIRouter(tags=["users"])
UserId = Annotated[Id, Path(examples=[1])]
TOP = 5


class TopGenre(BaseModel):
    genre: str
    share: float = Field(description="Share of the liked movies that have it.")


class UserView(BaseModel):
    user_id: int
    external_id: str | None
    space: str | None = Field(description="The model version that the stored taste vector belongs to.")
    top_genres: list[TopGenre]
    preferences: dict[str, float]
    ratings: int
    liked: int = Field(description="Ratings of 4 and more.")
    dismissed: int
    created_at: datetime


class Rating(BaseModel):
    movie_id: int
    title: str | None
    rating: float
    rated_at: datetime | None


class HistoryView(BaseModel):
    user_id: int
    history: list[Rating] = Field(description="Newest first; those without a time last.")
    total: int


class UserExport(BaseModel):
    """Every row that belongs to the user."""

    user: UserView
    taste: list[dict[str, Any]] = Field(
        description="The taste vector, the space that it belongs to, and the profile of genres."
    )
    ratings: list[dict[str, Any]]
    dismissed: list[dict[str, Any]]
    feedback: list[dict[str, Any]]
    recommendations: list[dict[str, Any]]
    nightly_lists: list[dict[str, Any]]
    idempotency_keys: list[dict[str, Any]]
    rejects: list[dict[str, Any]] = Field(description="Rows of files that could not be loaded.")


@router.get("/users/{user_id}", responses=responses(404), summary="What is known of a user")
def one_user(here: Here, client: SignedIn, user_id: UserId) -> UserView:
    with client_scope(here.engine, client.client_id) as connection:
        return _view(here.shelf.stock.catalogue, read_user(connection, client.client_id, user_id))


@router.get("/users/{user_id}/history", responses=responses(404), summary="What a user rated")
def history_of(
    here: Here,
    client: SignedIn,
    user_id: UserId,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> HistoryView:
    with client_scope(here.engine, client.client_id) as connection:
        history = read_user(connection, client.client_id, user_id).history
    newest = range(len(history) - 1, -1, -1)[offset : offset + limit]
    catalogue = here.shelf.stock.catalogue
    ratings = [_rating(catalogue, history, place) for place in newest]
    return HistoryView(user_id=user_id, history=ratings, total=len(history))


@router.get(
    "/users/{user_id}/export", responses=responses(404), summary="Everything that is stored of a user"
)
def export_of(here: Here, client: SignedIn, user_id: UserId) -> UserExport:
    """Everything that is stored of the user."""
    with client_scope(here.engine, client.client_id) as connection:
        user = read_user(connection, client.client_id, user_id)
        tables = export_user(connection, client.client_id, user)
    return UserExport(user=_view(here.shelf.stock.catalogue, user), **tables)


@router.delete("/users/{user_id}", status_code=204, responses=responses(404), summary="Delete a user")
def forget_user(here: Here, client: SignedIn, user_id: UserId) -> None:
    """The user is gone from every table. A keyed hash stays, so that no file brings the user back."""
    with client_scope(here.engine, client.client_id) as connection:
        delete_user(connection, client.client_id, user_id, here.settings.tombstone_key.get_secret_value())


def _view(catalogue: Catalogue, user: User) -> UserView:
    return UserView(
        user_id=user.user_id,
        external_id=user.external_id,
        space=user.space,
        top_genres=_top_genres(catalogue, user.history),
        preferences=dict(user.preferences),
        ratings=len(user.history),
        liked=int((user.history.ratings >= LIKED).sum()),
        dismissed=len(user.dismissed),
        created_at=user.created_at,
    )


def _top_genres(catalogue: Catalogue, history: History) -> list[TopGenre]:
    rows = catalogue.rows(history.movie_ids[history.ratings >= LIKED])
    rows = rows[rows >= 0]
    if not len(rows):
        return []
    shares = catalogue.genre_matrix[rows].mean(axis=0)
    order = [i for i in (-shares).argsort(kind="stable")[:TOP] if shares[i] > 0]
    return [TopGenre(genre=catalogue.genres[i], share=float(shares[i])) for i in order]


def _rating(catalogue: Catalogue, history: History, place: int) -> Rating:
    movie_id = int(history.movie_ids[place])
    movie = catalogue.movie(movie_id)
    return Rating(
        movie_id=movie_id,
        title=movie.title if movie else None,
        rating=round(float(history.ratings[place]), 3),
        rated_at=moment(history.times[place]),
    )
