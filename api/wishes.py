"""What a client may ask of a list, and the list as it is sent."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from api.fields import Body, Id, Text
from api.problems import BadField
from api.views import HistoryItem, Kind, Mark, MovieView, Unknown, movie_fields
from recommender.catalogue import Catalogue
from recommender.ranking import Pick, Ranked, Wish

Year = Annotated[int, Field(ge=1870, le=2100)]
Genre = Annotated[Text, Field(min_length=1, max_length=50)]
ExternalId = Annotated[Text, Field(min_length=1, max_length=200, description="Your own name for the user.")]


class Filters(Body):
    """Filters are strict: the list is shorter rather than wrong."""

    k: Annotated[int, Field(ge=1, le=100, description="How many movies.")] = 10
    genres: Annotated[list[Genre], Field(max_length=30, description="At least one of these.")] = []
    exclude_genres: Annotated[list[Genre], Field(max_length=30, description="None of these.")] = []
    year_from: Year | None = None
    year_to: Year | None = None
    type: Kind | None = None
    exclude: Annotated[list[Id], Field(max_length=10_000, description="Movies to leave out.")] = []
    explain: Annotated[bool, Field(description="Say of each score what it is made of.")] = True
    diversity: Annotated[
        float, Field(ge=0, le=1, description="From 0, the best, to 1, the most different of the good ones.")
    ] = 0.0

    def wish(self, catalogue: Catalogue) -> Wish:
        check_genres(catalogue, "genres", self.genres)
        check_genres(catalogue, "exclude_genres", self.exclude_genres)
        return Wish(
            k=self.k,
            genres=self.genres,
            exclude_genres=self.exclude_genres,
            year_from=self.year_from,
            year_to=self.year_to,
            kind=self.type,
            exclude=frozenset(self.exclude),
            explain=self.explain,
            diversity=self.diversity,
        )


class PerhapsUser(Body):
    """A user by our id or by your own."""

    user_id: Id | None = None
    external_id: ExternalId | None = None

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.user_id is not None and self.external_id is not None:
            raise ValueError("give user_id or external_id, not both")
        return self

    @property
    def key(self) -> int | str | None:
        return self.external_id if self.user_id is None else self.user_id

    @property
    def named(self) -> bool:
        return self.key is not None


class UserName(PerhapsUser):
    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.key is None:
            raise ValueError("give user_id or external_id")
        return self


class Told(Body):
    """What a request says of a viewer's taste."""

    history: Annotated[list[HistoryItem], Field(max_length=10_000)] = []
    preferences: Annotated[
        dict[Genre, Mark], Field(max_length=50, description="Genres, marked 0.5 to 5.")
    ] = {}


class RecommendationsAsked(Told, PerhapsUser, Filters):
    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "history": [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Amélie"}],
                    "preferences": {"Animation": 4.5},
                    "type": "movie",
                    "k": 5,
                }
            ]
        }
    }


class Because(BaseModel):
    movie_id: int
    title: str
    share: float


class Parts(BaseModel):
    because: list[Because] = Field(
        [], description="The movies of the history that say most for it, three at most."
    )
    because_rest: float | None = Field(None, description="What the rest of the history says.")
    prior: float | None = Field(None, description="What popularity says, the more the shorter the history.")
    preferences: float | None = Field(None, description="What the stated preferences say.")


class ScoredMovie(MovieView):
    score: float


class Recommendation(Parts, ScoredMovie):
    pass


class Recommendations(BaseModel):
    """Of each score the shares, because_rest, prior and preferences are the sum."""

    user_id: int | None
    recommendation_id: UUID
    model_version: str | None
    source: Literal["model", "preferences", "popular"]
    persisted: bool = Field(description="Whether what was sent is stored; false while the database is away.")
    recommendations: list[Recommendation]
    unknown: list[Unknown]


class NightlyPick(BaseModel):
    movie_id: int
    score: float


class NightlyList(BaseModel):
    """One line of the export of a day's lists."""

    user_id: int
    external_id: str | None
    version: str | None = Field(description="The model version that ranked.")
    source: Literal["model", "preferences", "popular"]
    recommendations: list[NightlyPick]


def check_genres(catalogue: Catalogue, field: str, genres: list[str]) -> None:
    unknown = [genre for genre in genres if genre not in catalogue.genres]
    if unknown:
        raise BadField(field, f"there is no genre {unknown[0]!r}; known are {', '.join(catalogue.genres)}")


def listed(catalogue: Catalogue, ranked: Ranked, explained: bool) -> list[dict[str, Any]]:
    """Each with the fields of a Recommendation."""
    return [_recommendation(catalogue, pick, explained) for pick in ranked.picks]


def _recommendation(catalogue: Catalogue, pick: Pick, explained: bool) -> dict[str, Any]:
    movie = catalogue.movie(pick.movie_id)
    assert movie is not None, "a ranker shows movies of its own catalogue"  # noqa: S101
    because = [
        {"movie_id": reason.movie_id, "title": _title(catalogue, reason.movie_id), "share": reason.share}
        for reason in pick.because
    ]
    return {**movie_fields(movie), "score": pick.score, "because": because, **_rest(pick, explained)}


def parts(catalogue: Catalogue, pick: Pick, explained: bool) -> dict[str, Any]:
    """The fields that say what a score is made of."""
    because = [
        Because.model_construct(movie_id=r.movie_id, title=_title(catalogue, r.movie_id), share=r.share)
        for r in pick.because
    ]
    return {"because": because, **_rest(pick, explained)}


def _rest(pick: Pick, explained: bool) -> dict[str, float | None]:
    if not explained:
        return {"because_rest": None, "prior": None, "preferences": None}
    return {"because_rest": pick.because_rest, "prior": pick.prior, "preferences": pick.preferences}


def _title(catalogue: Catalogue, movie_id: int) -> str:
    movie = catalogue.movie(movie_id)
    return movie.title if movie else ""
