"""POST /recommendations and its batch: who asks, what is stored, what is ranked, what is logged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from api.asked import asked_now
from api.auth import Client, SignedIn
from api.idempotency import Key, first_answer, remember
from api.platform import Here, Platform
from api.problems import BadField, responses
from api.served import Served, new_id
from api.shelf import Stock
from api.views import Entry, Unknown, history_of, placed
from api.wishes import Filters, Recommendations, RecommendationsAsked, UserName, check_genres, listed
from recommender.database import client_scope
from recommender.errors import Away, NotFound
from recommender.history import History
from recommender.ranking import Ranked, Wish
from recommender.users import (
    Rated,
    User,
    add_ratings,
    claim,
    create_user,
    find_ids,
    ids_of_names,
    read_user,
    read_users,
    store_preferences,
    store_tastes,
)

router = APIRouter(tags=["recommendations"])


@dataclass(frozen=True, slots=True)
class Order:
    """A request, checked against the stock that will answer it."""

    stock: Stock
    asked: RecommendationsAsked
    wish: Wish
    entries: list[Entry]
    unknown: list[Unknown]

    @classmethod
    def of(cls, stock: Stock, asked: RecommendationsAsked) -> "Order":
        if not (asked.named or asked.history or asked.preferences):
            raise HTTPException(400, "Give a user, a history or preferences.")
        wish = asked.wish(stock.catalogue)
        check_genres(stock.catalogue, "preferences", list(asked.preferences))
        entries, unknown = placed(stock.catalogue, asked.history)
        order = cls(stock, asked, wish, entries, unknown)
        if not (asked.named or order.tells):
            raise BadField("history", "none of these movies is known")
        return order

    @property
    def tells(self) -> bool:
        """Whether there is something to go by beside the user's name."""
        return bool(self.entries or self.asked.preferences)

    @property
    def history(self) -> History:
        return history_of(self.entries)

    def answer(self, user_id: int | None, ranked: Ranked, *, persisted: bool) -> Recommendations:
        return _answer(self.stock, self.wish, user_id, ranked, self.unknown, persisted)


@router.post("/recommendations", responses=responses(404), summary="Recommend movies")
def recommend(
    here: Here, client: SignedIn, asked: RecommendationsAsked, idempotency_key: Key = None
) -> Recommendations:
    """Movies for a user, for a history, or for stated preferences.

    A history without a user makes a new user, whose id is in the answer. A history with a user is added.
    """
    order = Order.of(here.shelf.stock, asked)
    try:
        if here.shelf.database_away and order.tells:
            raise Away("not seen for a while")
        return _stored(here, client, order, idempotency_key)
    except Away:
        if not order.tells or not len(order.stock.catalogue):
            raise
        history = order.history
        with here.metrics.lists.ranking.time():
            ranked = order.stock.ranker.recommend(history, asked.preferences, order.wish)
        answer = order.answer(asked.user_id, ranked, persisted=False)
        _count(here, answer, len(history))
        return answer


def _stored(here: Platform, client: Client, order: Order, key: str | None) -> Recommendations:
    with client_scope(here.engine, client.client_id) as connection:
        first = first_answer(connection, client.client_id, key, order.asked) if key else None
        if first is not None:
            return _noted(Recommendations.model_validate(first))
        act = _known if order.asked.named else _newcomer
        user_id, made, ranked, rated = act(here, connection, client.client_id, order)
        answer = order.answer(user_id, ranked, persisted=True)
        if key:
            remember(connection, client.client_id, key, user_id, answer)
    here.metrics.users_created.inc(made)
    _tell(here, client, order.stock, answer, rated)
    return answer


Outcome = tuple[int, int, Ranked, int]  # the user, users made, the list, and how many ratings it goes by


def _newcomer(here: Platform, connection: Connection, client_id: int, order: Order) -> Outcome:
    """A new user and the history, in two statements: nobody else can know the user yet."""
    model, wishes = order.stock.ranker.model, order.asked.preferences
    history = order.history
    taste = model.taste(history, wishes) if model else None
    user_id = create_user(connection, client_id, wishes, taste.vector if taste else None, order.stock.version)
    if order.entries:
        add_ratings(connection, client_id, [_rated(user_id, entry) for entry in order.entries])
    with here.metrics.lists.ranking.time():
        ranked = order.stock.ranker.recommend(history, wishes, order.wish, taste=taste)
    return user_id, 1, ranked, len(history)


def _known(here: Platform, connection: Connection, client_id: int, order: Order) -> Outcome:
    """A named user, ranked by what the tables hold once the request's own history is in them."""
    user_id, made = _user_id(connection, client_id, order)
    if order.tells:
        claim(connection, client_id, [user_id])
    if order.entries:
        add_ratings(connection, client_id, [_rated(user_id, entry) for entry in order.entries])
    if order.asked.preferences:
        store_preferences(connection, user_id, order.asked.preferences)
    user = read_user(connection, client_id, user_id)
    _keep_tastes(connection, order.stock, [user])
    return user_id, made, _rank(here, order.stock, user, order.wish), len(user.history)


def _user_id(connection: Connection, client_id: int, order: Order) -> tuple[int, int]:
    """Whose list it is, and how many users were made for it."""
    name = order.asked.external_id
    if name is None:
        return order.asked.user_id or 0, 0
    if order.tells:
        known, made = ids_of_names(connection, client_id, [name])
        return known[name], made
    known = find_ids(connection, client_id, [], [name])[1]
    if name not in known:
        raise NotFound(f"There is no user {name!r}.")
    return known[name], 0


def _rated(user_id: int, entry: Entry) -> Rated:
    return Rated(user_id, entry.movie_id, entry.rating, entry.implied, entry.rated_at)


def _rank(here: Platform, stock: Stock, user: User, wish: Wish) -> Ranked:
    with here.metrics.lists.ranking.time():
        return stock.ranker.recommend(user.history, user.preferences, wish, user.dismissed)


def _keep_tastes(connection: Connection, stock: Stock, users: list[User]) -> None:
    """Stores the taste vectors of those whose stored one is stale or of another space."""
    model = stock.ranker.model
    if model is None:
        return
    stale = [u for u in users if u.space != model.version and (len(u.history) or u.preferences)]
    if stale:
        tastes = [(user, model.taste(user.history, user.preferences).vector) for user in stale]
        store_tastes(connection, tastes, model.version)


def _answer(
    stock: Stock,
    wish: Wish,
    user_id: int | None,
    ranked: Ranked,
    unknown: list[Unknown],
    persisted: bool,
) -> Recommendations:
    return Recommendations.model_construct(
        user_id=user_id,
        recommendation_id=new_id(user_id),
        model_version=stock.version,
        source=ranked.source,
        persisted=persisted,
        recommendations=listed(stock.catalogue, ranked, wish.explain),
        unknown=unknown,
    )


def _count(here: Platform, answer: Recommendations, rated: int) -> None:
    """Once it is sure to be sent: what was ranked for a transaction that failed is not counted."""
    _noted(answer)
    lists = here.metrics.lists
    lists.served(answer.source, [movie.score for movie in answer.recommendations], rated)
    here.metrics.unknown_movies.inc(len(answer.unknown))
    if answer.source == "popular":
        lists.fell_back("no_history" if answer.model_version else "no_model")
    if not answer.persisted:
        lists.fell_back("database_away")


def _noted(answer: Recommendations) -> Recommendations:
    asked_now().made(answer.recommendation_id, answer.model_version, answer.source)
    return answer


def _tell(here: Platform, client: Client, stock: Stock, answer: Recommendations, rated: int) -> None:
    """Counts it, and logs that it was served."""
    _count(here, answer, rated)
    shown = [movie.movie_id for movie in answer.recommendations]
    source, version = answer.source, answer.model_version
    here.metrics.lists.impressed(stock.catalogue, shown, champions=here.shelf.is_champion(version))
    here.log.put(Served(answer.recommendation_id, client.client_id, answer.user_id, version, source, shown))


class BatchAsked(Filters):
    users: Annotated[list[UserName], Field(min_length=1, max_length=100)]

    model_config = {"json_schema_extra": {"examples": [{"users": [{"user_id": 1}, {"user_id": 2}], "k": 5}]}}


class BatchAnswer(BaseModel):
    results: list[Recommendations] = Field(description="In the order of the request, without unknown users.")
    unknown_users: list[UserName]


@router.post("/recommendations/batch", summary="Recommend movies to many users")
def recommend_batch(here: Here, client: SignedIn, asked: BatchAsked) -> BatchAnswer:
    """Movies for up to 100 known users at once, with the same filters for all."""
    stock = here.shelf.stock
    wish = asked.wish(stock.catalogue)
    ids = [user.user_id for user in asked.users if user.user_id is not None]
    names = [user.external_id for user in asked.users if user.external_id is not None]
    with client_scope(here.engine, client.client_id) as connection:
        users = read_users(connection, client.client_id, ids, names)
        _keep_tastes(connection, stock, users)
    known = by_name(users)
    found = [known[name.key] for name in asked.users if name.key in known]
    results = [
        _answer(stock, wish, user.user_id, _rank(here, stock, user, wish), [], persisted=True)
        for user in found
    ]
    for user, answer in zip(found, results, strict=True):
        _tell(here, client, stock, answer, len(user.history))
    return BatchAnswer.model_construct(
        results=results, unknown_users=[name for name in asked.users if name.key not in known]
    )


def by_name(users: list[User]) -> Mapping[Any, User]:
    """By our id (a number) and by the client's (a text)."""
    known: dict[Any, User] = {user.user_id: user for user in users}
    return known | {user.external_id: user for user in users if user.external_id is not None}
