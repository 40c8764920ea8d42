"""GET /movies: search, one movie, and those like it. Answered from memory; only the client is looked up."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.auth import SignedIn
from api.fields import Id, Text
from api.platform import Here
from api.problems import responses
from api.views import Kind, MovieView, movie_fields
from api.wishes import check_genres
from recommender.catalogue import Catalogue, Movie
from recommender.database import client_scope
from recommender.errors import NotFound

router = APIRouter(tags=["movies"])
MovieId = Annotated[Id, Path(examples=[1])]


class MoviesPage(BaseModel):
    movies: list[MovieView]
    next_cursor: int | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class SimilarMovie(MovieView):
    score: float = Field(description="Cosine of the two movies in the model's space.")


class SimilarMovies(BaseModel):
    movie_id: int
    similar: list[SimilarMovie]


@router.get("/movies", summary="Search the catalogue")
def list_movies(
    here: Here,
    client: SignedIn,
    query: Annotated[
        Text, Query(max_length=200, description="Words of the title.", examples=["amelie"])
    ] = "",
    type: Annotated[Kind | None, Query()] = None,  # noqa: A002 - the contract's word
    genre: Annotated[Text | None, Query(max_length=50, examples=["Comedy"])] = None,
    cursor: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> MoviesPage:
    """Movies by title, in the order of their ids. Case, accents and a missing article do not matter."""
    catalogue = _for(here, client)
    if genre is not None:
        check_genres(catalogue, "genre", [genre])
    found = catalogue.search(query, kind=type, genre=genre, after=cursor, limit=limit + 1)
    more = found[limit - 1].movie_id if len(found) > limit else None
    return MoviesPage(movies=[MovieView.of(movie) for movie in found[:limit]], next_cursor=more)


@router.get("/movies/{movie_id}", responses=responses(404), summary="One movie")
def one_movie(here: Here, client: SignedIn, movie_id: MovieId) -> MovieView:
    return MovieView.of(_known(_for(here, client), movie_id))


@router.get("/movies/{movie_id}/similar", responses=responses(404), summary="Movies like one")
def similar_movies(
    here: Here, client: SignedIn, movie_id: MovieId, k: Annotated[int, Query(ge=1, le=100)] = 10
) -> SimilarMovies:
    """Movies that the model puts near this one; none before a model is trained."""
    catalogue = _for(here, client)
    _known(catalogue, movie_id)
    near = here.shelf.stock.ranker.similar(movie_id, k)
    views = [
        SimilarMovie.model_construct(**movie_fields(_known(catalogue, other)), score=score)
        for other, score in near
    ]
    return SimilarMovies(movie_id=movie_id, similar=views)


def _for(here: Here, client: SignedIn) -> Catalogue:
    """The catalogue, for a client that is active."""
    with client_scope(here.engine, client.client_id):
        return here.shelf.stock.catalogue


def _known(catalogue: Catalogue, movie_id: int) -> Movie:
    movie = catalogue.movie(movie_id)
    if movie is None:
        raise NotFound(f"There is no movie {movie_id}.")
    return movie
