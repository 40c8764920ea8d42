"""One rating, or only low ones, make a sensible list; and what was disliked never comes back."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine, create_engine

from recommender.database import transaction
from recommender.model_store import ModelStore
from tests.api.conftest import Service, eventually
from tests.api.test_export import DAY, export, make_lists
from tests.api.test_recommendations import SCI_FI, ask, movie, shown
from tests.recommender.champions import crown, fitted


@pytest.fixture(scope="module")
def client(stocked: Service) -> httpx.Client:
    return stocked.client()


@pytest.fixture
def admin(watchful: Service) -> Iterator[Engine]:
    engine = create_engine(watchful.urls.admin)
    yield engine
    engine.dispose()


def test_one_like_is_enough_for_a_list_of_its_own(client: httpx.Client) -> None:
    films = ("Alien (1979)", "Toy Story (1995)")
    lists = [ask(client, history=[{"title": film}]) for film in films]
    assert [one["source"] for one in lists] == ["model", "model"]
    assert shown(lists[0])[:5] != shown(lists[1])[:5]
    for film, one in zip(films, lists, strict=True):
        likes = [{reason["movie_id"] for reason in pick["because"]} for pick in one["recommendations"]]
        assert likes.count({movie(client, film)}) > 5


def test_who_has_only_low_ratings_gets_a_list_without_them(client: httpx.Client) -> None:
    seen = [movie(client, title) for title in ("Alien (1979)", "Frozen (2013)", "Heat (1995)")]
    answer = ask(client, history=[{"movie_id": one, "rating": 1} for one in seen], k=100)
    assert (answer["source"], len(answer["recommendations"])) == ("model", 100)
    assert not set(shown(answer)) & set(seen)


def test_what_is_disliked_comes_back_in_no_list_of_this_model_or_the_next(
    watchful: Service, admin: Engine
) -> None:
    client = watchful.client()
    first = ask(client, history=SCI_FI, k=5)
    disliked, user = shown(first), {"user_id": first["user_id"]}
    ask(client, **user, history=[{"movie_id": one, "rating": 0.5} for one in disliked])
    other = {"history": SCI_FI}
    assert set(disliked) <= set(shown(ask(client, **other, k=100)))  # who has not rated them gets them
    assert client.put("/client/nightly-lists", json={"k": 100}).status_code == 200

    def lists() -> Iterator[list[int]]:
        yield shown(ask(client, **user, k=100))
        asked = {"members": [user, other], "k": 100}
        yield shown(client.post("/recommendations/together", json=asked).json())
        make_lists(watchful)
        (mine,) = (row for row in export(client, DAY) if row["user_id"] == user["user_id"])
        yield [one["movie_id"] for one in mine["recommendations"]]

    assert all(len(one) == 100 and not set(one) & set(disliked) for one in lists())
    models, again = ModelStore.at(watchful.models, watchful.models), fitted(admin, 20)
    models.save(again)
    with transaction(admin) as connection:
        crown(connection, again.version)
    eventually(lambda: ask(client, **user)["model_version"] == again.version)
    assert all(len(one) == 100 and not set(one) & set(disliked) for one in lists())
