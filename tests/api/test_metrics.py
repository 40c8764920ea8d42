"""What the figures of a running API say, and that their number does not grow with traffic."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.figures import FiguresReader
from api.metrics import Metrics
from api.pool import watched_pool
from recommender.catalogue import Catalogue, Movie
from recommender.database import open_engine
from recommender.local.urls import PerRole
from tests.api.conftest import Service, away, eventually, run

HISTORY = [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Inception (2010)", "rating": 4}]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(service: Service) -> Samples:
    families = text_string_to_metric_families(service.http.get("/metrics").text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    key = name, frozenset(labels.items())
    return after[key] - before.get(key, 0)


def ask(client: httpx.Client, **asked: Any) -> Any:
    answer = client.post("/recommendations", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def logged(service: Service, recommendation_id: str) -> None:
    """Feedback finds the list once its line of the log is written."""
    engine = open_engine(service.urls.admin)
    there = text("SELECT count(*) FROM recommendations WHERE recommendation_id = CAST(:id AS uuid)")

    def written() -> bool:
        with engine.connect() as connection:
            return bool(connection.scalar(there, {"id": recommendation_id}))

    eventually(written)
    engine.dispose()


# what a list was like, and what became of it


def test_a_list_counts_its_source_its_movies_by_place_and_its_popularity(own: Service) -> None:
    client, before = own.client(), samples(own)
    ask(client, history=HISTORY, k=5)
    after = samples(own)
    assert grown(before, after, "marquee_recommendations_total", source="model") == 1
    places = [
        grown(before, after, "marquee_impressions_total", version="champion", place=place)
        for place in ("1", "2-3", "4-10", "11+")
    ]
    assert places == [1, 2, 2, 0]
    assert grown(before, after, "marquee_served_popularity_count") == 1
    assert 0 < grown(before, after, "marquee_served_popularity_sum") <= 1
    assert grown(before, after, "marquee_served_score_count", source="model") == 1
    assert grown(before, after, "marquee_ranking_seconds_count") == 1


def test_who_has_rated_little_or_nothing_is_a_cold_start(own: Service) -> None:
    client, before = own.client(), samples(own)
    ask(client, preferences={"Animation": 5})
    user = ask(client, history=HISTORY)["user_id"]
    movies = client.get("/movies?q=the&limit=10").json()["movies"]
    rated = [{"user_id": user, "movie_id": movie["movie_id"], "rating": 4} for movie in movies]
    assert client.post("/ratings", json={"ratings": rated}).status_code == 200
    ask(client, user_id=user)
    client.post("/recommendations/batch", json={"users": [{"user_id": user}]})
    after = samples(own)
    cold = {kind: grown(before, after, "marquee_cold_starts_total", history=kind) for kind in ("none", "few")}
    assert cold == {"none": 1, "few": 1}
    assert grown(before, after, "marquee_recommendations_total", source="model") == 3


@pytest.mark.parametrize("event", ["clicked", "watched"])
def test_feedback_is_counted_once_at_the_place_of_its_movie(own: Service, event: str) -> None:
    client = own.client()
    listed, before = ask(client, history=HISTORY, k=5), samples(own)
    logged(own, listed["recommendation_id"])
    told = {"recommendation_id": listed["recommendation_id"], "event": event}
    third = {**told, "movie_id": listed["recommendations"][2]["movie_id"]}
    for _ in range(2):
        assert client.post("/feedback", json=third).status_code == 201
    after = samples(own)
    of_list = {"event": event, "version": "champion"}
    assert grown(before, after, "marquee_feedback_total", **of_list, place="2-3") == 1
    seen = client.get("/movies?q=matrix").json()["movies"][0]["movie_id"]  # so it is not in the list
    elsewhere = {**told, "movie_id": seen}
    assert client.post("/feedback", json=elsewhere).status_code == 201
    assert grown(after, samples(own), "marquee_feedback_total", **of_list, place="none") == 1


def test_feedback_of_a_time_that_no_calendar_has_is_of_no_list(own: Service) -> None:
    client, before = own.client(), samples(own)
    listed = ask(client, history=HISTORY)
    forged = "ffffffff-ffff" + listed["recommendation_id"][13:]
    movie = listed["recommendations"][0]["movie_id"]
    told = {"recommendation_id": forged, "movie_id": movie, "event": "clicked"}
    assert client.post("/feedback", json=told).status_code == 201
    unknown = {"event": "clicked", "version": "other", "place": "none"}
    assert grown(before, samples(own), "marquee_feedback_total", **unknown) == 1


def test_a_place_is_counted_from_the_first_and_none_is_its_own() -> None:
    metrics = Metrics()
    for position in (1, 2, 3, 4, 10, 11, 100, None):
        metrics.lists.told("shown", position, champions=False)
    found = {
        place: metrics.registry.get_sample_value(
            "marquee_feedback_total", {"event": "shown", "version": "other", "place": place}
        )
        for place in ("1", "2-3", "4-10", "11+", "none")
    }
    assert found == {"1": 1, "2-3": 2, "4-10": 2, "11+": 2, "none": 1}


def test_the_percentile_of_popularity_is_the_middle_of_equals() -> None:
    movies = [Movie(n, f"Film {n}", 2000, "movie", ()) for n in range(1, 5)]
    catalogue = Catalogue(movies, {1: 9, 2: 5, 3: 5})
    assert [catalogue.mean_percentile([n]) for n in range(1, 5)] == [0.875, 0.5, 0.5, 0.125]
    assert catalogue.mean_percentile([1, 4]) == 0.5


# what stands in the way


def test_a_refused_rate_is_counted_by_its_kind(serve: Callable[..., Service]) -> None:
    service = serve(TOKEN_RATE="2")
    for _ in range(5):
        service.http.post("/token", data={"username": "nobody", "password": "x"})
    found = samples(service)
    limited = {
        dict(labels)["rate"]: value for (name, labels), value in found.items() if "rate_limited" in name
    }
    assert limited == {"requests": 0, "token_addresses": 3, "token_names": 0, "registrations": 0}


def test_waits_for_a_connection_are_counted_with_their_seconds(urls: PerRole[str]) -> None:
    metrics = Metrics()
    engine = open_engine(urls.api, pool_size=1, pool=watched_pool(metrics.pool))
    metrics.pool.watch(engine)
    value = metrics.registry.get_sample_value
    with engine.connect(), ThreadPoolExecutor(1) as thread:
        assert (value("marquee_database_pool_size"), value("marquee_database_pool_in_use")) == (1, 1)
        before = value("marquee_database_pool_wait_seconds_total") or 0
        refused = thread.submit(engine.connect)  # for the pool's five seconds
        with pytest.raises(PoolTimeout):
            refused.result(30)
    assert (value("marquee_database_pool_wait_seconds_total") or 0) - before > 4
    assert value("marquee_database_pool_in_use") == 0
    engine.dispose()
    engine.connect().close()  # by a pool made anew
    assert (value("marquee_database_pool_waits_total") or 0) >= 3
    engine.dispose()


# what Postgres holds


@pytest.fixture
def reader(engines: PerRole[Engine]) -> Iterator[tuple[FiguresReader, Metrics]]:
    metrics, moments = Metrics(), iter([100.0, 200.0])
    yield FiguresReader(engines.api, metrics, lambda: next(moments)), metrics


def figure(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"marquee_{name}")


def test_while_the_database_is_away_the_last_figures_stay_with_their_time(
    reader: tuple[FiguresReader, Metrics], engines: PerRole[Engine]
) -> None:
    figures, metrics = reader
    assert figure(metrics, "figures_timestamp_seconds") is None
    figures.read()
    with away(engines):
        figures.read()
        assert figure(metrics, "figures_timestamp_seconds") == 100
        assert figure(metrics, "gate_refusals_in_a_row") == 0
    figures.read()
    assert figure(metrics, "figures_timestamp_seconds") == 200


def test_on_a_schema_without_figures_none_are_told(
    reader: tuple[FiguresReader, Metrics], engines: PerRole[Engine]
) -> None:
    figures, metrics = reader
    run(engines.admin, "DROP SCHEMA figures CASCADE")
    figures.read()
    assert figure(metrics, "figures_timestamp_seconds") is None
    assert figure(metrics, "gate_refusals_in_a_row") is None


# however many come


MANY = 10_000
AT_ONCE = 500


def shower(service: Service, lines: list[str], token: str) -> None:
    """Requests one after another on one connection, many on their way at once."""
    address = urlsplit(service.url)
    head = f" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    for first in range(0, len(lines), AT_ONCE):
        some = lines[first : first + AT_ONCE]
        content = (
            "".join(f"{line}{head}\r\n" for line in some[:-1]) + f"{some[-1]}{head}Connection: close\r\n\r\n"
        )
        with socket.create_connection((address.hostname, address.port), timeout=60) as line:
            line.sendall(content.encode())
            answers = b"".join(iter(lambda: line.recv(1 << 16), b""))  # noqa: B023 - read before the next
        assert answers.count(b"HTTP/1.1 ") == len(some)


def series(service: Service) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return set(samples(service))


def test_ten_thousand_users_movies_paths_and_methods_add_no_series(own: Service) -> None:
    client = own.client()
    token = client.headers["Authorization"].removeprefix("Bearer ")
    kinds = ["GET /movies/{}", "GET /users/{}", "M{} /nowhere/{}", "GET /nowhere/{}?q={}", "M{} /movies"]

    def rate(first: int, count: int) -> None:
        users = [
            {"external_id": f"user-{n}", "title": f"Unknown {n} (1999)", "rating": 4}
            for n in range(first, first + count)
        ]
        known = {"external_id": f"user-{first}", "title": "The Matrix (1999)", "rating": 4}
        assert client.post("/ratings", json={"ratings": [*users[1:], known]}).status_code == 200

    rate(MANY, 1)
    numbers = 0, 5, MANY, ask(client, history=HISTORY)["user_id"]  # for every answer that there is
    shower(own, [kind.format(n, n) for kind in kinds for n in numbers], token)
    before = series(own)
    shower(own, [kinds[n % len(kinds)].format(n, n) for n in range(MANY)], token)
    for first in range(0, MANY, 1000):
        rate(first, 1000)
    assert series(own) == before


def test_the_children_of_every_counter_are_there_before_the_first_count() -> None:
    """Else a rate misses the first, and an alert on none never fires."""
    metrics = Metrics()
    there = {(m.name, tuple(s.labels.values())) for m in metrics.registry.collect() for s in m.samples}
    assert {
        ("marquee_fallbacks", (reason,)) for reason in ("no_model", "no_history", "database_away")
    } <= there
