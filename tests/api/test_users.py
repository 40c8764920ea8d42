"""Users, their ratings and what they say of recommendations."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from api.served import new_id, time_of, user_of
from recommender.tables import metadata

HISTORY = [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Heat (1995)", "rating": 2}]


@pytest.fixture(scope="module")
def client(stocked: Any) -> httpx.Client:
    signed: httpx.Client = stocked.client()
    return signed


@pytest.fixture
def answer(client: httpx.Client) -> Any:
    return client.post("/recommendations", json={"history": HISTORY}).json()


def tell(client: httpx.Client, answer: Any, **event: Any) -> httpx.Response:
    return client.post("/feedback", json={"recommendation_id": answer["recommendation_id"], **event})


def again(client: httpx.Client, answer: Any) -> list[int]:
    body = {"user_id": answer["user_id"], "k": 100}
    picks = client.post("/recommendations", json=body).json()["recommendations"]
    return [pick["movie_id"] for pick in picks]


def ratings(client: httpx.Client, user_id: int) -> dict[str, float]:
    history = client.get(f"/users/{user_id}/history").json()["history"]
    return {item["title"]: item["rating"] for item in history}


def test_a_user_is_described_by_counts_genres_and_space(client: httpx.Client, answer: Any) -> None:
    user = client.get(f"/users/{answer['user_id']}").json()
    assert (user["ratings"], user["liked"], user["space"]) == (2, 1, answer["model_version"])
    assert "Sci-Fi" in {genre["genre"] for genre in user["top_genres"]}


def test_a_history_comes_in_pages_newest_first(client: httpx.Client) -> None:
    dated = [{"movie_id": n, "rated_at": f"2025-01-0{n}T00:00:00Z"} for n in range(1, 5)]
    user = client.post("/recommendations", json={"history": dated}).json()["user_id"]
    page = client.get(f"/users/{user}/history", params={"offset": 1, "limit": 2}).json()
    assert ([item["movie_id"] for item in page["history"]], page["total"]) == ([3, 2], 4)


def test_a_deleted_user_is_gone_from_every_table(stocked: Any, client: httpx.Client) -> None:
    body = {"history": HISTORY, "external_id": "gone", "preferences": {"Drama": 4}}
    answer = client.post("/recommendations", json=body).json()
    tell(client, answer, movie_id=1, event="dismissed")
    user = {"u": answer["user_id"]}
    assert client.delete(f"/users/{user['u']}").status_code == 204
    assert client.get(f"/users/{user['u']}").status_code == 404
    engine = create_engine(stocked.urls.admin)
    with engine.connect() as connection:
        for name, table in metadata.tables.items():
            if "user_id" in table.columns:
                left = text(f"SELECT count(*) FROM {name} WHERE user_id = :u")
                assert connection.scalar(left, user) == 0, name
        assert connection.scalar(text("SELECT count(*) FROM tombstones")) > 0
    engine.dispose()


LATER = {"recommendations", "nightly_lists"}  # written in a moment, and at night
EXPORTED = {"users": "taste", "movies_users_rating": "ratings", "dismissals": "dismissed"}


def test_an_export_holds_the_users_rows_of_every_table(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "to-export"}
    answer = client.post("/recommendations", json={"history": HISTORY}, headers=headers).json()
    tell(client, answer, movie_id=1, event="clicked")
    tell(client, answer, movie_id=2, event="dismissed")
    export = client.get(f"/users/{answer['user_id']}/export").json()
    assert [row["movie_id"] for row in export["dismissed"]] == [2]
    for name, table in metadata.tables.items():
        if "user_id" in table.columns and name not in LATER:
            assert export[EXPORTED.get(name, name)], name
    assert {*LATER, "rejects"} <= set(export)


def test_a_retry_of_a_request_whose_user_was_deleted_makes_nobody(client: httpx.Client) -> None:
    def ask() -> httpx.Response:
        headers = {"Idempotency-Key": "deleted"}
        return client.post("/recommendations", json={"history": HISTORY}, headers=headers)

    client.delete(f"/users/{ask().json()['user_id']}")
    assert ask().status_code == 404


def test_the_later_in_time_of_two_ratings_counts_and_is_what_was_answered_from(client: httpx.Client) -> None:
    movie = {"title": "Alien (1979)"}
    dated = [
        movie | {"rating": 5, "rated_at": "2025-01-01T00:00:00Z"},
        movie | {"rating": 1, "rated_at": "2020-01-01T00:00:00Z"},
    ]
    answer = client.post("/recommendations", json={"history": dated}).json()
    assert ratings(client, answer["user_id"]) == {"Alien": 5}
    shown = [pick["movie_id"] for pick in answer["recommendations"]]
    assert again(client, answer)[: len(shown)] == shown


def test_an_untimed_rating_is_not_replaced_by_an_old_one(client: httpx.Client) -> None:
    movie = {"title": "Alien (1979)"}
    user = client.post("/recommendations", json={"history": [movie | {"rating": 4.5}]}).json()["user_id"]
    old = movie | {"rating": 1, "rated_at": "2010-01-01T00:00:00Z"}
    client.post("/recommendations", json={"user_id": user, "history": [old]})
    assert ratings(client, user) == {"Alien": 4.5}


def test_a_rated_event_is_a_rating(client: httpx.Client, answer: Any) -> None:
    movie = answer["recommendations"][0]
    assert tell(client, answer, movie_id=movie["movie_id"], event="rated", rating=2.5).status_code == 201
    assert ratings(client, answer["user_id"])[movie["title"]] == 2.5


def test_watching_counts_as_liking_but_replaces_no_rating(client: httpx.Client, answer: Any) -> None:
    movie, user = answer["recommendations"][0], answer["user_id"]
    tell(client, answer, movie_id=movie["movie_id"], event="watched")
    assert ratings(client, user)[movie["title"]] == 4
    heat = client.get("/movies", params={"query": "heat"}).json()["movies"][0]["movie_id"]
    tell(client, answer, movie_id=heat, event="watched")
    assert ratings(client, user)["Heat"] == 2


def test_a_dismissed_movie_never_comes_back(client: httpx.Client, answer: Any) -> None:
    movie = answer["recommendations"][0]["movie_id"]
    assert movie in again(client, answer)
    tell(client, answer, movie_id=movie, event="dismissed")
    assert movie not in again(client, answer)


def test_the_same_event_twice_is_one(client: httpx.Client, answer: Any) -> None:
    first, second = (tell(client, answer, movie_id=1, event="shown").json()["changed"] for _ in "ab")
    assert (first, second) == (True, False)


def test_feedback_on_a_recommendation_that_never_was_is_a_404(client: httpx.Client) -> None:
    nobody = {"recommendation_id": str(uuid.uuid4())}
    assert tell(client, nobody, movie_id=1, event="shown").status_code == 404


@pytest.mark.parametrize("event", [{"event": "rated"}, {"event": "shown", "rating": 3}])
def test_a_rating_belongs_to_a_rated_or_watched_event(
    client: httpx.Client, answer: Any, event: dict[str, Any]
) -> None:
    assert tell(client, answer, movie_id=1, **event).status_code == 422


def test_a_recommendation_id_names_its_user_and_time() -> None:
    made = new_id(123_456_789)
    assert user_of(made) == 123_456_789
    assert made.version == 8
    assert made != new_id(123_456_789)
    assert time_of(made).year >= 2026


def test_ratings_of_several_users_are_stored_at_once(client: httpx.Client, answer: Any) -> None:
    rows = [
        {"user_id": answer["user_id"], "title": "Alien (1979)", "rating": 3},
        {"external_id": "fresh", "title": "Alien (1979)", "rating": 4.5},
        {"external_id": "fresh", "title": "No Such Film"},
    ]
    stored = client.post("/ratings", json={"ratings": rows}).json()
    assert (stored["stored"], stored["users"]) == (2, 2)
    assert [(u["index"], u["title"]) for u in stored["unknown"]] == [(2, "No Such Film")]
    assert ratings(client, answer["user_id"])["Alien"] == 3


def test_ratings_with_an_unknown_user_are_refused_whole(client: httpx.Client, answer: Any) -> None:
    rows = [{"user_id": answer["user_id"], "movie_id": 1}, {"user_id": 2**40, "movie_id": 1}]
    assert client.post("/ratings", json={"ratings": rows}).status_code == 404
    assert client.get(f"/users/{answer['user_id']}").json()["ratings"] == 2
