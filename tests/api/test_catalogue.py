"""GET /movies, one movie, those like it, and the model's card."""

from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def client(stocked: Any) -> httpx.Client:
    signed: httpx.Client = stocked.client()
    return signed


def titles(client: httpx.Client, **query: Any) -> list[str]:
    answer = client.get("/movies", params=query)
    assert answer.status_code == 200, answer.text
    return [movie["title"] for movie in answer.json()["movies"]]


@pytest.mark.parametrize("query", ["amelie", "AMÉLIE", "Amelie (2001)"])
def test_search_does_not_mind_case_or_accents(client: httpx.Client, query: str) -> None:
    assert "Amélie" in titles(client, query=query)


@pytest.mark.parametrize("query", ["godfather", "the godfather", "Godfather, The"])
def test_search_does_not_mind_a_missing_article(client: httpx.Client, query: str) -> None:
    assert "The Godfather" in titles(client, query=query)


def test_search_by_kind_and_genre(client: httpx.Client) -> None:
    answer = client.get("/movies", params={"type": "show", "genre": "Crime", "limit": 50}).json()
    assert {movie["type"] for movie in answer["movies"]} == {"show"}
    assert all("Crime" in movie["genres"] for movie in answer["movies"])


def test_pages_hold_every_movie_once(client: httpx.Client) -> None:
    seen: list[int] = []
    cursor: int | None = 0
    while cursor is not None:
        page = client.get("/movies", params={"cursor": cursor, "limit": 200, "genre": "Western"}).json()
        seen += [movie["movie_id"] for movie in page["movies"]]
        cursor = page["next_cursor"]
    assert seen == sorted(set(seen))
    assert len(seen) > 15


def test_a_movie_is_found_by_its_id(client: httpx.Client) -> None:
    movie = client.get("/movies/1").json()
    assert set(movie) == {"movie_id", "title", "year", "type", "genres"}
    assert client.get(f"/movies/{2**40}").status_code == 404


def test_similar_movies_are_ranked_and_do_not_hold_the_movie(client: httpx.Client) -> None:
    answer = client.get("/movies/1/similar", params={"k": 5}).json()
    scores = [movie["score"] for movie in answer["similar"]]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert 1 not in {movie["movie_id"] for movie in answer["similar"]}
    assert client.get(f"/movies/{2**40}/similar").status_code == 404


def test_the_card_is_that_of_the_version_that_serves(client: httpx.Client) -> None:
    model = client.get("/model").json()
    assert model["version"] == client.get("/health/ready").json()["model"]
    assert model["card"]["users"] > 100
    assert model["card"]["verdict"]["outcome"] in ("passed", "refused", "unjudged")
    assert model["card"]["metrics"]["candidate"]
