"""POST /recommendations/together: one list for people who watch together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field, model_validator

from api.asked import asked_now
from api.auth import Client, SignedIn
from api.batch import by_name
from api.platform import Here, Platform
from api.problems import BadField, responses
from api.served import Served, new_id
from api.shelf import Stock
from api.views import Unknown, history_of, movie_fields, placed
from api.wishes import Filters, Parts, PerhapsUser, ScoredMovie, Told, check_genres, parts
from recommender.catalogue import Catalogue
from recommender.database import client_scope
from recommender.errors import Away, NotFound
from recommender.ranking import Pick, Source
from recommender.together import Joint, Member, Together, shared_list
from recommender.users import User, read_users

router = APIRouter(tags=["recommendations"])
MOST_TOLD = 10_000  # as many as one history may have: each may be answered with ten candidates


class Viewer(Told, PerhapsUser):
    """A user, or a guest by a history or preferences. Of a guest only the list is kept, without a name."""

    @model_validator(mode="after")
    def _user_or_guest(self) -> Self:
        if self.named == bool(self.history or self.preferences):
            raise ValueError("give either a user, or a history or preferences")
        return self


def _readable(viewers: list[Viewer]) -> list[Viewer]:
    if sum(len(viewer.history) for viewer in viewers) > MOST_TOLD:
        raise ValueError(f"all of their histories together may have {MOST_TOLD:,} movies")
    return viewers


class TogetherAsked(Filters):
    members: Annotated[
        list[Viewer],
        Field(
            min_length=2,
            max_length=8,
            description="With at most 10,000 movies in all of their histories together.",
        ),
        AfterValidator(_readable),
    ]

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "members": [
                        {"user_id": 1},
                        {"external_id": "viewer-2"},
                        {"history": [{"title": "Amélie", "rating": 5}]},
                        {"preferences": {"Animation": 5}},
                    ],
                    "type": "movie",
                    "diversity": 0.3,
                    "k": 5,
                }
            ]
        }
    }


class Share(Parts):
    share: float = Field(description="The sum of its because, because_rest, prior and preferences.")


class SharedMovie(ScoredMovie):
    shares: list[Share] = Field(description="In the order of the members; the score is their sum.")


class MemberView(BaseModel):
    user_id: int | None = Field(description="null: a guest.")
    external_id: str | None
    recommendation_id: UUID = Field(description="For this member's feedback; that of a guest is nobody's.")
    source: Source
    satisfaction: float = Field(
        description="What is in the list for this member, over what the best list for this member has."
    )
    unknown: list[Unknown]


class TogetherAnswer(BaseModel):
    model_version: str | None
    persisted: bool = Field(description="Whether the list is logged; false while the database is away.")
    members: list[MemberView] = Field(description="In the order of the request.")
    recommendations: list[SharedMovie]


@dataclass(frozen=True, slots=True)
class Seat:
    """A member, as read from the request or the tables."""

    member: Member
    user: User | None
    unknown: list[Unknown]

    @property
    def user_id(self) -> int | None:
        return self.user.user_id if self.user else None


@router.post(
    "/recommendations/together", responses=responses(404), summary="Recommend movies to watch together"
)
def recommend_together(here: Here, client: SignedIn, asked: TogetherAsked) -> TogetherAnswer:
    """One list for two to eight users and guests, without anything that one of them has rated or dismissed.

    What a title is to a member is its score over that member's strongest on offer, for or against; a
    title's score is the mean of these. Each place goes to the title with the largest sum of them, each
    divided by what the member has got from the places before it, so that who has got less has more say.
    """
    stock = here.shelf.stock
    wish = asked.wish(stock.catalogue)
    guests = [_guest(stock.catalogue, at, viewer) for at, viewer in enumerate(asked.members)]
    users, persisted = _users(here, client, asked.members)
    seats = [guest or _known(users[v.key]) for guest, v in zip(guests, asked.members, strict=True)]
    _check_distinct(seats)
    with here.metrics.lists.ranking.time():
        made = shared_list(stock.ranker, [seat.member for seat in seats], wish)
    answer = _answer(stock, seats, made, wish.explain, persisted)
    _tell(here, client, stock, seats, answer)
    return answer


def _guest(catalogue: Catalogue, at: int, viewer: Viewer) -> Seat | None:
    if viewer.named:
        return None
    check_genres(catalogue, f"members[{at}].preferences", list(viewer.preferences))
    entries, unknown = placed(catalogue, viewer.history)
    if not (entries or viewer.preferences):
        raise BadField(f"members[{at}].history", "none of these movies is known")
    return Seat(Member(history_of(entries), viewer.preferences), None, unknown)


def _known(user: User) -> Seat:
    return Seat(Member(user.history, user.preferences, user.dismissed), user, [])


def _users(here: Platform, client: Client, viewers: Sequence[Viewer]) -> tuple[Mapping[Any, User], bool]:
    """The users by all of their names, and whether the database was there to be asked."""
    ids = [viewer.user_id for viewer in viewers if viewer.user_id is not None]
    names = [viewer.external_id for viewer in viewers if viewer.external_id is not None]
    try:
        if here.shelf.database_away and not (ids or names):
            raise Away("not seen for a while")
        with client_scope(here.engine, client.client_id) as connection:
            known = by_name(read_users(connection, client.client_id, ids, names))
    except Away:
        if ids or names or not len(here.shelf.stock.catalogue):
            raise
        return {}, False
    missing = [repr(viewer.key) for viewer in viewers if viewer.named and viewer.key not in known]
    if missing:
        raise NotFound(f"There is no user {', '.join(dict.fromkeys(missing))}.")
    return known, True


def _check_distinct(seats: Sequence[Seat]) -> None:
    """A user may be named in two ways, so this is seen once all are read."""
    first: dict[int, int] = {}
    for at, seat in enumerate(seats):
        if seat.user_id and first.setdefault(seat.user_id, at) != at:
            raise BadField(f"members[{at}]", f"the same user as members[{first[seat.user_id]}]")


def _answer(
    stock: Stock, seats: Sequence[Seat], made: Together, explained: bool, persisted: bool
) -> TogetherAnswer:
    members = zip(seats, made.sources, made.satisfactions, strict=True)
    return TogetherAnswer.model_construct(
        model_version=stock.version,
        persisted=persisted,
        members=[_view(*member) for member in members],
        recommendations=[_shared(stock.catalogue, title, explained) for title in made.titles],
    )


def _view(seat: Seat, source: Source, satisfaction: float) -> MemberView:
    return MemberView.model_construct(
        user_id=seat.user_id,
        external_id=seat.user.external_id if seat.user else None,
        recommendation_id=new_id(seat.user_id),
        source=source,
        satisfaction=satisfaction,
        unknown=seat.unknown,
    )


def _shared(catalogue: Catalogue, title: Joint, explained: bool) -> SharedMovie:
    movie = catalogue.movie(title.movie_id)
    assert movie is not None, "a ranker shows movies of its own catalogue"  # noqa: S101
    shares = [_share(catalogue, pick, explained) for pick in title.shares]
    return SharedMovie.model_construct(**movie_fields(movie), score=title.score, shares=shares)


def _share(catalogue: Catalogue, pick: Pick, explained: bool) -> Share:
    return Share.model_construct(share=pick.score, **parts(catalogue, pick, explained))


def _tell(
    here: Platform, client: Client, stock: Stock, seats: Sequence[Seat], answer: TogetherAnswer
) -> None:
    """Counted and logged as one list for each member, who may each say what became of it."""
    shown = [movie.movie_id for movie in answer.recommendations]
    for seat, view in zip(seats, answer.members, strict=True):
        asked_now().made(view.recommendation_id, stock.version, view.source)
        no_scores = ()  # those of a group are on another scale
        here.metrics.lists.served(view.source, no_scores, len(seat.member.history))
        here.metrics.unknown_movies.inc(len(seat.unknown))
        if view.source == "popular":
            here.metrics.lists.fell_back("no_history" if stock.version else "no_model")
        if answer.persisted:
            _log(here, client, stock, view, shown)
        else:
            here.metrics.lists.fell_back("database_away")


def _log(here: Platform, client: Client, stock: Stock, view: MemberView, shown: list[int]) -> None:
    champions = here.shelf.is_champion(stock.version)
    here.metrics.lists.impressed(stock.catalogue, shown, champions=champions)
    id_, version = view.recommendation_id, stock.version
    here.log.put(Served(id_, client.client_id, view.user_id, version, view.source, shown))
