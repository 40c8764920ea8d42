"""Taste vectors of users who are met: stored again where the stored one is stale or of another space."""

from collections.abc import Mapping, Sequence

from api.lanes import Lane, Lanes
from api.orders import MANY, aside
from api.shelf import Stock
from recommender.model import Model, Taste
from recommender.users import User
from recommender.visits import Visit, entering, keeping


async def kept(
    line: Lane | Lanes, client_id: int, stock: Stock, users: Sequence[User]
) -> Mapping[int, Taste]:
    """What was made for that, which need not be made again."""
    model = stock.ranker.model
    stale = [u for u in users if model and u.space != model.version and (len(u.history) or u.preferences)]
    if not (model and stale):
        return {}
    much = sum(len(user.history) for user in stale) > 10 * MANY
    tastes, visit = await aside(much, lambda: _folded(model, stale))
    await line.ask(entering(client_id).then(visit))
    return tastes


def _folded(model: Model, users: Sequence[User]) -> tuple[Mapping[int, Taste], Visit]:
    tastes = {user.user_id: model.taste(user.history, user.preferences) for user in users}
    return tastes, keeping([(user, tastes[user.user_id].vector) for user in users], model.version)
