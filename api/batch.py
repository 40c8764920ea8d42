"""POST /recommendations/batch: lists for many users at once."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from api.auth import SignedIn
from api.orders import Made, as_json
from api.platform import Here
from api.tastes import kept
from api.wishes import Filters, Recommendations, UserName
from recommender.users import User
from recommender.visits import entering, reading_many, users_of

router = APIRouter(tags=["recommendations"])


class BatchAsked(Filters):
    users: Annotated[list[UserName], Field(min_length=1, max_length=100)]

    model_config = {"json_schema_extra": {"examples": [{"users": [{"user_id": 1}, {"user_id": 2}], "k": 5}]}}


class BatchAnswer(BaseModel):
    results: list[Recommendations] = Field(description="In the order of the request, without unknown users.")
    unknown_users: list[UserName]


@router.post("/recommendations/batch", response_model=BatchAnswer, summary="Recommend movies to many users")
async def recommend_batch(here: Here, client: SignedIn, asked: BatchAsked) -> Response:
    """Movies for up to 100 known users at once, with the same filters for all."""
    stock, client_id = here.shelf.stock, client.client_id
    wish = asked.wish(stock.catalogue)
    ids = [user.user_id for user in asked.users if user.user_id is not None]
    names = [user.external_id for user in asked.users if user.external_id is not None]
    rows = await here.lanes.ask(entering(client_id).then(reading_many(client_id, ids, names)))
    users = await to_thread.run_sync(users_of, rows)
    tastes = await kept(here.lanes, client_id, stock, users)
    known = by_name(users)

    def made(user: User) -> Made:
        with here.metrics.lists.ranking.time():
            taste = tastes.get(user.user_id)
            ranked = stock.ranker.recommend(user.history, user.preferences, wish, user.dismissed, taste)
        return Made(stock, wish, user.user_id, ranked, len(user.history))

    def answered() -> tuple[list[Made], bytes]:
        lists = [made(known[name.key]) for name in asked.users if name.key in known]
        unknown = [name for name in asked.users if name.key not in known]
        return lists, to_json({"results": [each.answer() for each in lists], "unknown_users": unknown})

    lists, content = await to_thread.run_sync(answered)
    for each in lists:
        each.tell(here, client_id)
    return as_json(content)


def by_name(users: Sequence[User]) -> Mapping[Any, User]:
    """By our id (a number) and by the client's (a text)."""
    known: dict[Any, User] = {user.user_id: user for user in users}
    return known | {user.external_id: user for user in users if user.external_id is not None}
