"""POST /recommendations/together: for users and guests of one client, and for nobody else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from recommender.database import open_engine
from tests.api.conftest import Service, away, eventually, serving, until
from tests.api.test_metrics import grown, samples

SCI_FI = {"history": [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Alien (1979)", "rating": 4.5}]}
FAMILY = {"history": [{"title": "Frozen (2013)", "rating": 5}, {"title": "Toy Story (1995)"}]}
WISHING = {"preferences": {"Animation": 5}}


@pytest.fixture(scope="module")
def client(stocked: Service) -> httpx.Client:
    return stocked.client()


@pytest.fixture(scope="module")
def rows(stocked: Service) -> Iterator[Engine]:
    """The tables as an administrator sees them."""
    engine = open_engine(stocked.urls.admin)
    yield engine
    engine.dispose()


def ask(client: httpx.Client, members: list[Any], status: int = 200, /, **more: Any) -> Any:
    answer = client.post("/recommendations/together", json={"members": members, **more})
    assert answer.status_code == status, answer.text
    return answer.json()


def alone(client: httpx.Client, **body: Any) -> Any:
    answer = client.post("/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(answer: Any) -> list[int]:
    return [movie["movie_id"] for movie in answer["recommendations"]]


def test_users_and_guests_get_one_list_with_the_share_of_each(client: httpx.Client) -> None:
    user = alone(client, **SCI_FI)["user_id"]
    alone(client, external_id="together", **FAMILY)
    answer = ask(client, [{"user_id": user}, {"external_id": "together"}, SCI_FI, WISHING], k=7)
    assert [member["user_id"] is None for member in answer["members"]] == [False, False, True, True]
    assert [member["external_id"] for member in answer["members"]] == [None, "together", None, None]
    assert [member["source"] for member in answer["members"]] == ["model"] * 3 + ["preferences"]
    assert (answer["persisted"], len(answer["recommendations"])) == (True, 7)
    assert all(0 < member["satisfaction"] <= 1 for member in answer["members"])
    for movie in answer["recommendations"]:
        assert len(movie["shares"]) == 4
        assert sum(share["share"] for share in movie["shares"]) == pytest.approx(movie["score"], abs=1e-9)
        for share in movie["shares"]:
            parts = sum(reason["share"] for reason in share["because"])
            parts += share["because_rest"] + share["prior"] + share["preferences"]
            assert parts == pytest.approx(share["share"], abs=1e-5)
    named = {
        reason["title"] for movie in answer["recommendations"] for reason in movie["shares"][1]["because"]
    }
    assert named and named <= {"Frozen", "Toy Story"}


def test_without_explain_there_are_shares_and_no_reasons(client: httpx.Client) -> None:
    share = ask(client, [SCI_FI, FAMILY], explain=False)["recommendations"][0]["shares"][1]
    assert (share["because"], share["prior"], share["share"] > 0) == ([], None, True)


def test_nothing_that_a_member_has_seen_or_dismissed_is_in_it(client: httpx.Client) -> None:
    first = alone(client, **SCI_FI)
    user, best = {"user_id": first["user_id"]}, first["recommendations"][0]["movie_id"]
    members = [user, FAMILY]
    before = ask(client, members, k=100)
    assert best in shown(before)
    told = {"recommendation_id": first["recommendation_id"], "movie_id": best, "event": "dismissed"}
    assert client.post("/feedback", json=told).status_code == 201
    after = ask(client, members, k=100)
    assert best not in shown(after)
    history = client.get(f"/users/{first['user_id']}/history").json()["history"]
    assert history and not {item["movie_id"] for item in history} & set(shown(after))


def test_filters_are_strict_and_diversity_changes_the_list(client: httpx.Client) -> None:
    wanted = {"genres": ["Comedy"], "type": "movie", "year_from": 1990}
    picks = ask(client, [SCI_FI, FAMILY], k=50, **wanted)["recommendations"]
    assert picks and all("Comedy" in pick["genres"] and pick["year"] >= 1990 for pick in picks)
    assert shown(ask(client, [SCI_FI, FAMILY], diversity=0.9)) != shown(ask(client, [SCI_FI, FAMILY]))


def test_a_guest_makes_no_user_and_stores_nothing(client: httpx.Client, rows: Engine) -> None:
    count = text("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM movies_users_rating)")
    with rows.connect() as connection:
        before = connection.scalar(count)
        ask(client, [SCI_FI, WISHING])
        assert connection.scalar(count) == before


def test_each_member_may_tell_what_became_of_the_list(client: httpx.Client, rows: Engine) -> None:
    users = [alone(client, **history)["user_id"] for history in (SCI_FI, FAMILY)]
    answer = ask(client, [*({"user_id": user} for user in users), WISHING])
    lists = [member["recommendation_id"] for member in answer["members"]]
    told = {"movie_id": shown(answer)[1], "event": "watched"}
    statuses = [client.post("/feedback", json=told | {"recommendation_id": made}) for made in lists]
    assert [status.status_code for status in statuses] == [201, 201, 404]
    assert [status.json()["user_id"] for status in statuses[:2]] == users
    query = text(
        "SELECT user_id, movie_ids FROM recommendations WHERE recommendation_id = ANY(CAST(:ids AS uuid[]))"
    )

    def written() -> dict[Any, Any]:
        with rows.connect() as connection:
            return {row.user_id: row.movie_ids for row in connection.execute(query, {"ids": lists})}

    eventually(lambda: len(written()) == 3)
    assert written() == dict.fromkeys([*users, None], shown(answer))


def test_unknown_users_are_named(client: httpx.Client) -> None:
    answer = ask(client, [{"external_id": "nobody"}, SCI_FI, {"user_id": 2**40}], 404)
    assert answer["detail"] == f"There is no user 'nobody', {2**40}."


def test_another_clients_user_is_unknown(stocked: Service, client: httpx.Client) -> None:
    user = alone(stocked.client(), **SCI_FI)["user_id"]
    ask(client, [{"user_id": user}, SCI_FI], 404)


def test_a_user_who_is_named_twice_is_refused_whatever_the_names(client: httpx.Client) -> None:
    user = alone(client, external_id="twice", **SCI_FI)["user_id"]
    for again in ({"user_id": user}, {"external_id": "twice"}):
        answer = ask(client, [{"user_id": user}, FAMILY, again], 422)
        assert answer["errors"] == [{"field": "members[2]", "message": "the same user as members[0]"}]


@pytest.mark.parametrize(
    ("field", "members"),
    [
        ("members", [SCI_FI]),
        ("members", [SCI_FI] * 9),
        ("members[1]", [SCI_FI, {}]),
        ("members[1]", [SCI_FI, {"user_id": 1, **SCI_FI}]),
        ("members[0]", [{"user_id": 1, "external_id": "one"}, SCI_FI]),
        ("members[0].history[0].rating", [{"history": [{"movie_id": 1, "rating": 6}]}, SCI_FI]),
        ("members[1].history", [SCI_FI, {"history": [{"title": "Qwxyz"}]}]),
        ("members", [{"history": [{"movie_id": 1}] * 5001}] * 2),
        ("members[1].preferences", [SCI_FI, {"preferences": {"Comdey": 5}}]),
    ],
)
def test_a_bad_field_of_a_member_is_named(client: httpx.Client, field: str, members: list[Any]) -> None:
    assert field in [error["field"] for error in ask(client, members, 422)["errors"]]


def test_unknown_movies_of_a_guest_are_named_beside_the_guest(client: httpx.Client) -> None:
    answer = ask(client, [SCI_FI, {"history": [*FAMILY["history"], {"title": "Qwxyz"}]}])
    assert [len(member["unknown"]) for member in answer["members"]] == [0, 1]
    assert answer["members"][1]["unknown"][0]["title"] == "Qwxyz"


def test_two_processes_give_one_answer(stocked: Service, client: httpx.Client) -> None:
    user = alone(client, **SCI_FI)["user_id"]
    members = [{"user_id": user}, FAMILY, WISHING]
    with serving(stocked.urls, stocked.models, {}) as other:
        elsewhere = other.signed(client.headers["Authorization"].split()[1])
        answers = [ask(one, members, diversity=0.4) for one in (client, elsewhere, client)]
    for answer in answers:
        for member in answer["members"]:
            del member["recommendation_id"]
    assert answers[0] == answers[1] == answers[2]


def test_it_is_counted_as_a_list_for_each_member(own: Service) -> None:
    client = own.client()
    user, before = alone(client, **SCI_FI)["user_id"], samples(own)
    ask(client, [{"user_id": user}, FAMILY, WISHING], k=5)
    after = samples(own)
    made = {
        s: grown(before, after, "marquee_recommendations_total", source=s) for s in ("model", "preferences")
    }
    assert made == {"model": 2, "preferences": 1}
    assert grown(before, after, "marquee_impressions_total", version="champion", place="1") == 3
    assert grown(before, after, "marquee_cold_starts_total", history="none") == 1
    assert grown(before, after, "marquee_served_score_count", source="model") == 0
    assert grown(before, after, "marquee_ranking_seconds_count") == 1


def test_while_the_database_is_away_guests_are_answered_and_users_told_to_come_again(own: Service) -> None:
    client, engines = own.client(), own.urls.map(open_engine)
    user = {"user_id": alone(client, **SCI_FI)["user_id"]}
    before = samples(own)
    with away(engines):
        for _ in range(2):  # before the watcher has seen it, and after
            answer = ask(client, [SCI_FI, FAMILY])
            assert (answer["persisted"], len(answer["recommendations"])) == (False, 10)
            refused = client.post("/recommendations/together", json={"members": [user, FAMILY]})
            assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (503, True)
            until(own, "/health/ready", lambda answer: answer.json()["database"] == "away")
    until(own, "/health/ready", lambda answer: answer.json()["database"] == "ok")
    assert grown(before, samples(own), "marquee_fallbacks_total", reason="database_away") == 4
    assert ask(client, [user, FAMILY])["persisted"] is True
    engines.map(Engine.dispose)
