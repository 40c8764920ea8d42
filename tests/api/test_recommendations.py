"""POST /recommendations: every way to ask, and what is never answered."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import BaseModel
from sqlalchemy import Engine, create_engine, text

from api.batch import BatchAnswer
from api.wishes import Recommendations
from recommender.history import History
from recommender.model import Model

SCI_FI = [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Alien (1979)", "rating": 4.5}]


@pytest.fixture(scope="module")
def client(stocked: Any) -> httpx.Client:
    signed: httpx.Client = stocked.client()
    return signed


@pytest.fixture(scope="module")
def rows(stocked: Any) -> Engine:
    """The tables as an administrator sees them."""
    return create_engine(stocked.urls.admin)


def ask(client: httpx.Client, status: int = 200, /, **body: Any) -> Any:
    answer = client.post("/recommendations", json=body)
    assert answer.status_code == status, answer.text
    return whole(answer) if status == 200 else answer.json()


def whole(answer: httpx.Response, kind: type[BaseModel] = Recommendations) -> Any:
    """What was sent is, to the byte, what the contract's model would write, though it did not."""
    assert answer.headers["content-type"] == "application/json"
    assert kind.model_validate_json(answer.content).model_dump_json().encode() == answer.content
    return answer.json()


def shown(answer: Any) -> list[int]:
    return [movie["movie_id"] for movie in answer["recommendations"]]


def movie(client: httpx.Client, title: str) -> int:
    found = client.get("/movies", params={"query": title}).json()["movies"]
    return int(found[0]["movie_id"])


def test_a_history_alone_makes_a_user_and_ten_recommendations(client: httpx.Client) -> None:
    answer = ask(client, history=SCI_FI)
    assert len(answer["recommendations"]) == 10
    assert answer["source"] == "model"
    assert answer["persisted"] is True
    stored = client.get(f"/users/{answer['user_id']}/history").json()
    assert {item["title"] for item in stored["history"]} == {"The Matrix", "Alien"}


def test_a_user_alone_is_answered_from_what_is_stored(client: httpx.Client) -> None:
    first = ask(client, history=SCI_FI)
    again = ask(client, user_id=first["user_id"])
    assert shown(again) == shown(first)


def test_preferences_alone_make_a_user_who_is_answered_from_them(client: httpx.Client) -> None:
    first = ask(client, preferences={"Animation": 5}, k=20)
    again = ask(client, user_id=first["user_id"], k=20)
    assert (first["source"], again["source"], shown(again)) == ("preferences", "preferences", shown(first))
    animated = [pick for pick in first["recommendations"] if "Animation" in pick["genres"]]
    assert len(animated) > 5  # one in eleven of the catalogue is animated


def test_without_a_catalogue_there_is_an_empty_list_and_no_model(service: Any) -> None:
    client = service.client()
    user = ask(client, preferences={"Drama": 5})["user_id"]
    answer = ask(client, user_id=user)
    assert (answer["source"], answer["model_version"], answer["recommendations"]) == ("popular", None, [])
    batch = client.post("/recommendations/batch", json={"users": [{"user_id": user}, {"external_id": "x"}]})
    assert len(whole(batch, BatchAnswer)["results"]) == 1


def test_a_user_without_a_history_gets_the_popular(client: httpx.Client, rows: Engine) -> None:
    user = ask(client, external_id="blank", history=[{"movie_id": 1}])["user_id"]
    with rows.begin() as connection:
        connection.execute(text("DELETE FROM movies_users_rating WHERE user_id = :u"), {"u": user})
    answer = ask(client, user_id=user)
    assert (answer["source"], len(answer["recommendations"])) == ("popular", 10)
    assert all(pick["prior"] == pick["score"] for pick in answer["recommendations"])


def test_a_key_is_forgotten_after_a_day(client: httpx.Client, rows: Engine) -> None:
    def once() -> int:
        answer = client.post(
            "/recommendations", json={"history": SCI_FI}, headers={"Idempotency-Key": "yesterday"}
        )
        return int(answer.json()["user_id"])

    first = once()
    with rows.begin() as connection:
        old = text(
            "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'yesterday'"
        )
        connection.execute(old)
    assert once() != first


def test_batches_that_cross_do_not_deadlock(client: httpx.Client, rows: Engine) -> None:
    users = [ask(client, external_id=f"crossing-{n}", history=SCI_FI)["user_id"] for n in range(10)]
    names = [f"crossing-{n}" for n in range(10)]
    orders = [
        [{"user_id": u} for u in users[:5]] + [{"external_id": n} for n in names[5:]],
        [{"user_id": u} for u in users[5:]] + [{"external_id": n} for n in names[:5]],
    ]

    def batch(n: int) -> int:
        with rows.begin() as connection:
            mine = text("SELECT FROM users WHERE user_id = ANY(:u) ORDER BY user_id FOR NO KEY UPDATE")
            connection.execute(mine, {"u": users})  # in order, so that a deadlock is not of our making
            stale = text("UPDATE users SET taste = NULL, space = NULL WHERE user_id = ANY(:u)")
            connection.execute(stale, {"u": users})
        return client.post("/recommendations/batch", json={"users": orders[n % 2]}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(batch, range(40))) == {200}


def test_a_client_whose_users_are_locked_does_not_hold_up_another(
    stocked: Any, client: httpx.Client, rows: Engine
) -> None:
    user = ask(client, history=SCI_FI)["user_id"]
    other = stocked.client()
    with rows.connect() as holder, ThreadPoolExecutor(20) as pool:
        holder.execute(text("SELECT FROM users WHERE user_id = :u FOR NO KEY UPDATE"), {"u": user})
        body = {"user_id": user, "history": [{"movie_id": 3}]}
        waiting = [pool.submit(client.post, "/recommendations", json=body) for _ in range(20)]
        assert other.get("/movies").elapsed.total_seconds() < 3  # it took eight and more
        answer = other.post("/recommendations", json={"history": SCI_FI})  # for which there are others
        assert (answer.status_code, answer.elapsed.total_seconds() < 3) == (200, True)
        holder.rollback()
        statuses = {future.result().status_code for future in waiting}
    assert statuses <= {200, 503}
    assert all(future.result().json().get("persisted", True) for future in waiting)


def test_more_history_is_added_and_changes_the_list(client: httpx.Client) -> None:
    first = ask(client, history=SCI_FI)
    later = ask(client, user_id=first["user_id"], history=[{"title": "Frozen (2013)"}, {"title": "Moana"}])
    assert shown(later) != shown(first)
    assert client.get(f"/users/{first['user_id']}").json()["ratings"] == 4


def test_every_score_is_the_sum_of_its_parts(client: httpx.Client) -> None:
    history = [*SCI_FI, {"title": "Frozen (2013)", "rating": 1}, {"title": "Heat (1995)"}, {"title": "Jaws"}]
    answer = ask(client, history=history, preferences={"Comedy": 5, "Horror": 1}, k=50)
    for pick in answer["recommendations"]:
        parts = sum(b["share"] for b in pick["because"])
        parts += pick["because_rest"] + pick["prior"] + pick["preferences"]
        assert parts == pytest.approx(pick["score"], abs=1e-5)
        assert len(pick["because"]) <= 3


def test_without_explain_there_are_no_reasons(client: httpx.Client) -> None:
    pick = ask(client, history=SCI_FI, explain=False)["recommendations"][0]
    assert (pick["because"], pick["prior"]) == ([], None)


def test_a_stored_taste_vector_equals_the_librarys(stocked: Any, client: httpx.Client, rows: Engine) -> None:
    times = ["2025-01-02T03:04:05Z", "2024-01-01T00:00:00Z", "2025-06-01T12:00:00Z"]
    ids = [movie(client, title) for title in ("matrix", "alien", "heat")]
    rated = zip(ids, (5, 2, 4), times, strict=True)
    answer = ask(client, history=[{"movie_id": i, "rating": r, "rated_at": t} for i, r, t in rated])
    with rows.connect() as connection:
        query = text("SELECT CAST(taste AS real[]), space FROM users WHERE user_id = :u")
        taste, space = connection.execute(query, {"u": answer["user_id"]}).one()
    model = Model.load(stocked.models / space)
    seconds = [np.datetime64(t[:-1]).astype("datetime64[s]").astype(float) for t in times]
    expected = model.taste(History.of(ids, [5, 2, 4], seconds)).vector
    assert taste == pytest.approx(expected.tolist(), rel=1e-6)


def test_nothing_at_all_is_a_400(client: httpx.Client) -> None:
    assert "history" in ask(client, 400)["detail"]


@pytest.mark.parametrize("body", [{"user_id": 2**40}, {"external_id": "nobody"}])
def test_an_unknown_user_is_a_404(client: httpx.Client, body: dict[str, Any]) -> None:
    ask(client, 404, **body)


def test_unknown_movies_are_named_and_the_rest_is_answered(client: httpx.Client) -> None:
    answer = ask(client, history=[*SCI_FI, {"title": "Qwxyz"}, {"movie_id": 2**40}])
    assert [(u["title"], u["movie_id"], u["reason"]) for u in answer["unknown"]] == [
        ("Qwxyz", None, "unknown"),
        (None, 2**40, "unknown"),
    ]
    assert len(answer["recommendations"]) == 10


def test_only_unknown_movies_are_a_422_and_make_no_user(client: httpx.Client, rows: Engine) -> None:
    count = text("SELECT count(*) FROM users")
    with rows.connect() as connection:
        before = connection.scalar(count)
        ask(client, 422, history=[{"title": "Qwxyz"}])
        assert connection.scalar(count) == before


def test_an_ambiguous_title_is_named_with_its_candidates(client: httpx.Client) -> None:
    unknown = ask(client, history=[*SCI_FI, {"title": "Dune"}])["unknown"][0]
    assert unknown["reason"] == "ambiguous"
    assert {1984, 2021} <= {candidate["year"] for candidate in unknown["candidates"]}


def test_the_later_of_two_ratings_of_a_movie_counts(client: httpx.Client) -> None:
    twice = [{"title": "Alien (1979)", "rating": 1}, {"title": "Alien (1979)", "rating": 5}]
    user = ask(client, history=twice)["user_id"]
    assert [r["rating"] for r in client.get(f"/users/{user}/history").json()["history"]] == [5]


def test_an_older_rating_does_not_replace_a_newer_one(client: httpx.Client) -> None:
    new = {"title": "Alien (1979)", "rating": 5, "rated_at": "2025-02-01T00:00:00Z"}
    user = ask(client, history=[new])["user_id"]
    ask(client, user_id=user, history=[new | {"rating": 1, "rated_at": "2025-01-01T00:00:00Z"}])
    assert [r["rating"] for r in client.get(f"/users/{user}/history").json()["history"]] == [5]


def test_an_item_without_a_rating_counts_as_liked(client: httpx.Client) -> None:
    bare = ask(client, history=[{"title": "Alien (1979)"}, {"title": "Heat (1995)"}])
    history = [{"title": "Alien (1979)", "rating": 4}, {"title": "Heat (1995)", "rating": 4}]
    liked = ask(client, history=history)
    assert shown(bare) == shown(liked)


def test_seen_and_excluded_movies_never_come_back_however_long_the_history(client: httpx.Client) -> None:
    everything = []
    cursor: int | None = 0
    while cursor is not None:
        page = client.get("/movies", params={"limit": 200, "cursor": cursor}).json()
        everything += [m["movie_id"] for m in page["movies"]]
        cursor = page["next_cursor"]
    answer = ask(client, history=[{"movie_id": m} for m in everything[:-5]], exclude=everything[-5:-3], k=100)
    assert set(shown(answer)) == set(everything[-3:])


def test_filters_are_strict(client: httpx.Client) -> None:
    wanted: dict[str, Any] = {"genres": ["Comedy"], "exclude_genres": ["Romance"], "type": "movie"}
    picks = ask(client, history=SCI_FI, k=100, year_from=1990, year_to=1994, **wanted)["recommendations"]
    assert 0 < len(picks) < 100
    for pick in picks:
        assert "Comedy" in pick["genres"]
        assert "Romance" not in pick["genres"]
        assert 1990 <= pick["year"] <= 1994
        assert pick["type"] == "movie"


def test_a_diverse_list_starts_with_the_best_and_spreads(client: httpx.Client) -> None:
    user = ask(client, history=SCI_FI)["user_id"]
    plain, nil, diverse = (
        ask(client, user_id=user, **more) for more in ({}, {"diversity": 0}, {"diversity": 1})
    )
    assert nil["recommendations"] == plain["recommendations"]
    assert shown(diverse)[0] == shown(plain)[0]
    genres = [{g for pick in one["recommendations"] for g in pick["genres"]} for one in (plain, diverse)]
    assert len(genres[1]) > len(genres[0])
    batch = client.post("/recommendations/batch", json={"users": [{"user_id": user}], "diversity": 1}).json()
    assert shown(batch["results"][0]) == shown(diverse)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("history[0].rating", {"history": [{"movie_id": 1, "rating": 5.5}]}),
        ("history[0]", {"history": [{"movie_id": 1, "title": "Alien"}]}),
        ("history[0].rated_at", {"history": [{"movie_id": 1, "rated_at": "2999-01-01T00:00:00Z"}]}),
        ("k", {"user_id": 1, "k": 101}),
        ("diversity", {"user_id": 1, "diversity": 1.1}),
        ("genre", {"user_id": 1, "genre": ["Comedy"]}),
        ("preferences.Drama", {"preferences": {"Drama": 9}}),
    ],
)
def test_a_bad_field_is_named(client: httpx.Client, field: str, body: dict[str, Any]) -> None:
    assert field in [error["field"] for error in ask(client, 422, **body)["errors"]]


@pytest.mark.parametrize("field", ["genres", "exclude_genres"])
def test_an_unknown_genre_is_named_with_the_known_ones(client: httpx.Client, field: str) -> None:
    detail = ask(client, 422, history=SCI_FI, **{field: ["Comdey"]})["detail"]
    assert detail.startswith(f"{field}: there is no genre 'Comdey'")
    assert "Comedy" in detail


def test_a_retry_with_its_key_is_answered_as_the_first_and_makes_one_user(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"history": [*SCI_FI, {"title": "Titanic"}, {"title": "No such film"}]}
    first, second = (client.post("/recommendations", json=body, headers=headers) for _ in "ab")
    assert whole(first) == whole(second)
    other = client.post("/recommendations", json={"history": SCI_FI[:1]}, headers=headers)
    assert (other.status_code, "Idempotency-Key" in other.json()["detail"]) == (422, True)


def test_a_default_that_is_spelt_out_is_the_same_request(client: httpx.Client) -> None:
    headers, body = {"Idempotency-Key": "spelt out"}, {"history": SCI_FI}
    first = client.post("/recommendations", json=body, headers=headers)
    second = client.post("/recommendations", json=body | {"k": 10, "diversity": 0}, headers=headers)
    assert (second.status_code, second.json()) == (200, first.json())


def test_retries_at_once_make_one_user(client: httpx.Client) -> None:
    def once(_: int) -> int:
        headers = {"Idempotency-Key": "race"}
        answer = client.post("/recommendations", json={"history": SCI_FI}, headers=headers)
        return int(answer.json()["user_id"])

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(once, range(10)))) == 1


def test_fifty_new_users_at_once_lose_no_rating(client: httpx.Client, rows: Engine) -> None:
    ids = [movie(client, title) for title in ("matrix", "alien", "heat", "jaws", "frozen")]

    def create(n: int) -> int:
        order = ids if n % 2 else ids[::-1]
        return int(ask(client, history=[{"movie_id": i, "rating": 4} for i in order])["user_id"])

    with ThreadPoolExecutor(50) as pool:
        users = list(pool.map(create, range(50)))
    count = text("SELECT count(*) FROM movies_users_rating WHERE user_id = ANY(:users)")
    with rows.connect() as connection:
        assert connection.scalar(count, {"users": users}) == 250
    assert len(set(users)) == 50


def test_one_external_id_sent_twenty_times_at_once_is_one_user(client: httpx.Client) -> None:
    def create(n: int) -> int:
        return int(ask(client, external_id="crowd", history=[{"movie_id": n + 1}])["user_id"])

    with ThreadPoolExecutor(20) as pool:
        users = set(pool.map(create, range(20)))
    assert len(users) == 1
    assert client.get(f"/users/{users.pop()}").json()["ratings"] == 20


def test_a_batch_answers_known_users_in_order_and_names_the_others(client: httpx.Client) -> None:
    one = ask(client, history=SCI_FI)["user_id"]
    two = ask(client, external_id="batched", history=[{"title": "Frozen (2013)"}])["user_id"]
    users = [{"external_id": "batched"}, {"user_id": 2**40}, {"user_id": one}]
    batch = client.post("/recommendations/batch", json={"users": users, "k": 3})
    answer = whole(batch, BatchAnswer)
    assert [result["user_id"] for result in answer["results"]] == [two, one]
    assert answer["unknown_users"] == [{"user_id": 2**40, "external_id": None}]
    assert shown(answer["results"][1]) == shown(ask(client, user_id=one, k=3))
