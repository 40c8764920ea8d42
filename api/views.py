"""What several routes say of a movie, and how they read the movies that a client names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from api.fields import Body, Id, Text
from recommender.catalogue import Catalogue, Movie
from recommender.history import LIKED, History

Kind = Literal["movie", "show"]
Mark = Annotated[float, Field(ge=0.5, le=5, description="From 0.5 to 5.")]
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)  # clocks differ


def _past(moment: datetime) -> datetime:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if not EARLIEST <= moment <= datetime.now(UTC) + AHEAD:
        raise ValueError("must lie between 1970 and now")
    return moment.astimezone(UTC)  # compared before: the first and the last years have no UTC


Past = Annotated[datetime, AfterValidator(_past), Field(description="When; UTC where no zone is given.")]


class MovieView(BaseModel):
    movie_id: int
    title: str
    year: int | None
    type: Kind
    genres: list[str]

    @staticmethod
    def of(movie: Movie) -> "MovieView":
        return MovieView.model_construct(**movie_fields(movie))


def movie_fields(movie: Movie) -> dict[str, Any]:
    """Of a MovieView or a view that says more; ours are right, so nothing checks them again."""
    return {
        "movie_id": movie.movie_id,
        "title": movie.title,
        "year": movie.year,
        "type": movie.kind,
        "genres": list(movie.genres),
    }


class Unknown(BaseModel):
    """A movie that could not be placed, as it was sent."""

    movie_id: int | None = None
    title: str | None = None
    reason: Literal["unknown", "ambiguous"]
    candidates: list[MovieView] = Field([], description="The movies that an ambiguous title may mean.")


class NamedMovie(Body):
    movie_id: Id | None = None
    title: Annotated[Text, Field(min_length=1, max_length=300)] | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.movie_id is None) == (self.title is None):
            raise ValueError("give either movie_id or title")
        return self


class HistoryItem(NamedMovie):
    """A movie without a rating counts as liked."""

    rating: Mark | None = None
    rated_at: Past | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A history item whose movie is known."""

    movie_id: int
    rating: float
    implied: bool
    rated_at: datetime | None


def placed(catalogue: Catalogue, items: Iterable[HistoryItem]) -> tuple[list[Entry], list[Unknown]]:
    entries, unknown = [], []
    for item in items:
        found = find_movie(catalogue, item)
        if isinstance(found, Unknown):
            unknown.append(found)
            continue
        rating = LIKED if item.rating is None else item.rating
        entries.append(Entry(found, rating, item.rating is None, item.rated_at))
    return entries, unknown


def history_of(entries: Sequence[Entry]) -> History:
    times = [entry.rated_at.timestamp() if entry.rated_at else None for entry in entries]
    return History.of([e.movie_id for e in entries], [e.rating for e in entries], times)


def find_movie(catalogue: Catalogue, named: NamedMovie) -> int | Unknown:
    if named.movie_id is not None:
        return (
            named.movie_id
            if named.movie_id in catalogue
            else Unknown(movie_id=named.movie_id, reason="unknown")
        )
    candidates = catalogue.candidates(named.title or "")
    if len(candidates) == 1:
        return candidates[0].movie_id
    reason: Literal["unknown", "ambiguous"] = "ambiguous" if candidates else "unknown"
    return Unknown(title=named.title, reason=reason, candidates=[MovieView.of(m) for m in candidates[:10]])
