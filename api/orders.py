"""A request for a list, checked, and the list that is made for it: as it is sent, counted and logged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from anyio import to_thread
from fastapi import HTTPException, Response

from api.asked import asked_now
from api.platform import Platform
from api.problems import BadField
from api.served import Served, new_id
from api.shelf import Stock
from api.views import Entry, Unknown, history_of, placed
from api.wishes import RecommendationsAsked, check_genres, listed
from recommender.history import History
from recommender.model import Taste
from recommender.ranking import Ranked, Wish
from recommender.users import Rated

LONG = 5_000_000  # numbers to multiply: from here on, about a millisecond, a list is ranked by a thread
MANY = 200  # movies of a request, or users: from here on they are read by a thread
T = TypeVar("T")


async def aside(much: bool, work: Callable[[], T]) -> T:
    """By a thread, where the loop would keep others waiting for it."""
    return await to_thread.run_sync(work) if much else work()


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
    def long(self) -> bool:
        return len(self.entries) > MANY

    @property
    def history(self) -> History:
        return history_of(self.entries)

    @property
    def told(self) -> list[Rated]:
        """Of one user, whose id the statement knows."""
        return [Rated(0, e.movie_id, e.rating, e.implied, e.rated_at) for e in self.entries]


@dataclass(frozen=True, slots=True)
class Made:
    """A list, before it is sent."""

    stock: Stock
    wish: Wish
    user_id: int | None
    ranked: Ranked
    rated: int  # ratings that it goes by
    unknown: Sequence[Unknown] = ()
    persisted: bool = True
    recommendation_id: UUID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recommendation_id", new_id(self.user_id))

    def answer(self) -> dict[str, Any]:
        """With the fields of Recommendations."""
        return {
            "user_id": self.user_id,
            "recommendation_id": self.recommendation_id,
            "model_version": self.stock.version,
            "source": self.ranked.source,
            "persisted": self.persisted,
            "recommendations": listed(self.stock.catalogue, self.ranked, self.wish.explain),
            "unknown": self.unknown,
        }

    def count(self, here: Platform) -> None:
        """Once it is sure to be sent: what was ranked for a transaction that failed is not counted."""
        version, source, lists = self.stock.version, self.ranked.source, here.metrics.lists
        asked_now().made(self.recommendation_id, version, source)
        lists.served(source, [pick.score for pick in self.ranked.picks], self.rated)
        here.metrics.unknown_movies.inc(len(self.unknown))
        if source == "popular":
            lists.fell_back("no_history" if version else "no_model")
        if not self.persisted:
            lists.fell_back("database_away")

    def tell(self, here: Platform, client_id: int) -> None:
        """Counts it, and logs that it was served."""
        self.count(here)
        shown = [pick.movie_id for pick in self.ranked.picks]
        source, version = self.ranked.source, self.stock.version
        here.metrics.lists.impressed(self.stock.catalogue, shown, champions=here.shelf.is_champion(version))
        here.log.put(Served(self.recommendation_id, client_id, self.user_id, version, source, shown))


async def ranked(
    here: Platform,
    stock: Stock,
    history: History,
    preferences: Mapping[str, float],
    wish: Wish,
    dismissed: frozenset[int] = frozenset(),
    taste: Taste | None = None,
) -> Ranked:
    def rank() -> Ranked:
        with here.metrics.lists.ranking.time():
            return stock.ranker.recommend(history, preferences, wish, dismissed, taste)

    much = stock.ranker.numbers(len(history), wish) > LONG or wish.diversity > 0
    return await aside(much, rank)


def as_json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
