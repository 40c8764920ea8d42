"""POST /recommendations: who asks, what is stored, what is ranked, what is sent.

It runs on the event loop: a request waits for Postgres once or twice without a thread, and its answer is
written as JSON without a model of it in between. What would hold others up is done by a thread.
"""

from fastapi import APIRouter, Response
from pydantic_core import to_json

from api.asked import asked_now
from api.auth import Client, SignedIn
from api.idempotency import Key, first_answer, remembering
from api.lanes import Lane, Lanes
from api.orders import MANY, Made, Order, as_json, aside, ranked
from api.platform import Here, Platform
from api.problems import responses
from api.tastes import kept
from api.wishes import Recommendations, RecommendationsAsked
from recommender.errors import Away
from recommender.visits import Visit, admitted, entering, making, reading, telling, user_of

router = APIRouter(tags=["recommendations"])


@router.post(
    "/recommendations",
    response_model=Recommendations,
    responses=responses(404),
    summary="Recommend movies",
)
async def recommend(
    here: Here, client: SignedIn, asked: RecommendationsAsked, idempotency_key: Key = None
) -> Response:
    """Movies for a user, for a history, or for stated preferences.

    A history without a user makes a new user, whose id is in the answer. A history with a user is added.
    """
    stock = here.shelf.stock
    order = await aside(len(asked.history) > MANY, lambda: Order.of(stock, asked))
    try:
        if here.shelf.database_away and order.tells:
            raise Away("not seen for a while")
        if idempotency_key:
            return await _once(here, client, order, idempotency_key)
        made, users = await _made(here, here.lanes, client.client_id, order)
    except Away:
        if not order.tells or not len(order.stock.catalogue):
            raise
        return await _unstored(here, order)
    content = to_json(made.answer())
    _tell(here, client, made, users)
    return as_json(content)


def _tell(here: Platform, client: Client, made: Made, users: int) -> None:
    made.tell(here, client.client_id)
    here.metrics.users_created.inc(users)


async def _once(here: Platform, client: Client, order: Order, key: str) -> Response:
    """In one transaction with the claim of the key."""
    async with here.lanes.lane() as lane:
        first = await first_answer(lane, client.client_id, key, order.asked)
        if first is not None:
            await lane.ask(Visit("ROLLBACK"))  # which leaves the connection for the next
            before = Recommendations.model_validate(first)
            asked_now().made(before.recommendation_id, before.model_version, before.source)
            return as_json(before.model_dump_json().encode())
        made, users = await _made(here, lane, client.client_id, order)
        content = to_json(made.answer())
        await lane.ask(remembering(client.client_id, key, made.user_id, content))
    _tell(here, client, made, users)
    return as_json(content)


async def _unstored(here: Platform, order: Order) -> Response:
    """By what the request says alone, while the database is away."""
    history, stock, wish = order.history, order.stock, order.wish
    best = await ranked(here, stock, history, order.asked.preferences, wish)
    made = Made(stock, wish, order.asked.user_id, best, len(history), order.unknown, persisted=False)
    made.count(here)
    return as_json(to_json(made.answer()))


async def _made(here: Platform, line: Lane | Lanes, client_id: int, order: Order) -> tuple[Made, int]:
    """The list, and how many users were made for it."""
    act = _known if order.asked.named else _newcomer
    return await act(here, line, client_id, order)


async def _newcomer(here: Platform, line: Lane | Lanes, client_id: int, order: Order) -> tuple[Made, int]:
    """Ranked first: what is stored is what the request says, and nobody else can know the user yet."""
    stock, wishes, history = order.stock, order.asked.preferences, order.history
    model = stock.ranker.model
    taste = model.taste(history, wishes) if model else None
    best = await ranked(here, stock, history, wishes, order.wish, taste=taste)
    vector = taste.vector if taste else None
    user = await aside(order.long, lambda: making(client_id, wishes, vector, stock.version, order.told))
    rows = await line.commit(entering(client_id).then(user))
    admitted(rows)
    return Made(stock, order.wish, rows[0].user_id, best, len(history), order.unknown), 1


async def _known(here: Platform, line: Lane | Lanes, client_id: int, order: Order) -> tuple[Made, int]:
    """A named user, ranked by what the tables hold once the request's own history is in them."""
    stock, wishes, wish, name = order.stock, order.asked.preferences, order.wish, order.asked.key
    assert name is not None, "the request names a user"  # noqa: S101
    visit = entering(client_id)
    if order.tells:
        told = await aside(order.long, lambda: telling(client_id, name, wishes, order.told))
        visit = visit.then(told)
    rows = await line.ask(visit.then(reading(client_id, name)))
    user = user_of(rows, name)
    taste = (await kept(line, client_id, stock, [user])).get(user.user_id)
    best = await ranked(here, stock, user.history, user.preferences, wish, user.dismissed, taste)
    return Made(stock, wish, user.user_id, best, len(user.history), order.unknown), rows[0].made
