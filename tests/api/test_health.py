"""What an operator's machines see, above all while Postgres is restarted, stopped or away."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from api.app import create_app
from api.settings import ApiSettings
from api.shelf import SCHEMA
from recommender.local.urls import PerRole
from recommender.schema import alembic_config, newest
from tests.api.conftest import LOOKING, PASSWORD, SETTINGS, Service, away, run, until

ONE_MOVIE = "INSERT INTO movies (title, title_key, year) VALUES ('Alien', 'alien', 1979)"
NO_MOVIE = "No movie was seen yet: run marquee starter, or load a day."
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = 'marquee_api'"


def test_a_process_with_nothing_to_recommend_lives_and_is_not_ready(serve: Callable[..., Service]) -> None:
    service = serve()
    assert service.http.get("/health/live").status_code == 200
    answer = service.http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "starting",
        "missing": [NO_MOVIE, "No model was seen yet: the most popular are served."],
        "database": "ok",
        "model": None,
        "catalogue": 0,
        "schema": newest(),
        "schema_needed": SCHEMA,
        "schema_ok": True,
    }


def test_the_schema_that_the_api_needs_is_one_of_the_migrations() -> None:
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    assert SCHEMA in known


@pytest.mark.parametrize(
    ("spoilt", "mended", "schema", "seen"),
    [
        (
            "UPDATE alembic_version SET version_num = '0001'",
            f"UPDATE alembic_version SET version_num = '{SCHEMA}'",
            "0001",
            "is 0001",
        ),
        (
            "ALTER TABLE alembic_version RENAME TO away",
            "ALTER TABLE away RENAME TO alembic_version",
            None,
            "cannot be read",
        ),
    ],
)
def test_a_process_waits_for_the_schema_that_it_needs_and_says_which(
    serve: Callable[..., Service],
    engines: PerRole[Engine],
    spoilt: str,
    mended: str,
    schema: str | None,
    seen: str,
) -> None:
    run(engines.admin, ONE_MOVIE)
    run(engines.admin, spoilt)
    service = serve(LOOKING)
    answer = service.http.get("/health/ready")
    told = answer.json()
    assert (answer.status_code, told["status"], told["database"]) == (503, "starting", "ok")
    assert (told["schema"], told["schema_needed"], told["schema_ok"]) == (schema, SCHEMA, False)
    sentence = f"The schema {seen}; this process needs {SCHEMA} or a later one: run marquee migrate."
    assert told["missing"][0] == sentence
    assert figures(service, "schema_ok", "ready") == [0, 0]
    run(engines.admin, mended)
    until(service, "/health/ready", lambda answer: answer.status_code == 200)
    assert figures(service, "schema_ok", "ready") == [1, 1]


def test_a_process_that_was_ready_once_stays_in_service_whatever_goes_missing(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    run(engines.admin, ONE_MOVIE)
    service = serve(LOOKING)
    assert service.http.get("/health/ready").json()["status"] == "ready"
    assert figures(service, "database_up", "schema_ok", "catalogue_movies", "model_loaded") == [1, 1, 1, 0]

    run(engines.admin, "DELETE FROM movies")
    run(engines.admin, "UPDATE serving SET catalogue_revision = catalogue_revision + 1")
    told = until(service, "/health/ready", lambda answer: answer.json()["catalogue"] == 0)
    assert (told.status_code, told.json()["status"]) == (200, "ready")
    assert NO_MOVIE in told.json()["missing"]

    for schema, well in (
        ("0000", False),
        ("9999", True),
        ("0000", False),
    ):  # an older code runs on a newer one
        run(engines.admin, f"UPDATE alembic_version SET version_num = '{schema}'")
        told = until(service, "/health/ready", lambda answer: answer.json()["schema"] == schema)  # noqa: B023
        assert (told.status_code, told.json()["schema_ok"]) == (200, well)

    with away(engines):
        told = until(service, "/health/ready", lambda answer: answer.json()["database"] == "away")
        assert (told.status_code, told.json()["status"]) == (200, "ready")
        assert told.json()["missing"][0] == "The database does not answer."
        assert figures(service, "database_up", "schema_ok", "catalogue_movies", "ready") == [0, 0, 0, 1]


def test_a_load_balancer_may_ask_with_head(service: Service) -> None:
    for path in ("/health/live", "/health/ready"):
        get, head = service.http.get(path), service.http.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")


def test_a_database_that_goes_away_is_told_and_takes_no_process_out_of_service(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    run(engines.admin, ONE_MOVIE)
    service = serve(LOOKING)
    client = service.client()
    assert service.http.get("/health/ready").json()["status"] == "ready"
    with away(engines):
        told = until(service, "/health/ready", lambda answer: answer.json()["database"] == "away")
        assert (told.status_code, told.json()["catalogue"]) == (200, 1)
        refused = [
            client.get("/client"),
            service.http.post("/token", data={"username": "north", "password": PASSWORD}),
        ]
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.text
    until(service, "/health/ready", lambda answer: answer.json()["database"] == "ok")
    assert client.get("/client").status_code == 200


def test_an_api_starts_without_its_database_and_serves_when_it_comes(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    run(engines.admin, ONE_MOVIE)
    with away(engines):
        service = serve(LOOKING)
        answer = service.http.get("/health/ready")
        assert (answer.status_code, answer.json()["database"]) == (503, "away")
        assert answer.json()["missing"][0] == "The database does not answer."
    until(service, "/health/ready", lambda answer: answer.status_code == 200)


def test_connections_that_died_in_the_pool_fail_no_request(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    service = serve()
    client = service.client()
    for _ in range(3):
        run(engines.admin, BACKENDS.replace("pid", "pg_terminate_backend(pid)", 1))
        assert client.get("/client").status_code == 200


def test_a_postgres_that_hangs_is_given_up_and_used_again_when_it_wakes(
    serve: Callable[..., Service], engines: PerRole[Engine]
) -> None:
    service = serve(DB_TIMEOUT_S="0.5")
    client = service.client()
    with frozen(engines):
        start = time.monotonic()
        assert client.get("/client").status_code == 503
        assert service.http.get("/health/live").status_code == 200
        assert time.monotonic() - start < 5
    assert client.get("/client").status_code == 200


@contextmanager
def frozen(engines: PerRole[Engine]) -> Iterator[None]:
    with engines.admin.connect() as connection:
        folder = Path(connection.execute(text("SHOW data_directory")).scalar_one())
        pids = [*connection.execute(text(BACKENDS)).scalars()]
    pids.append(int((folder / "postmaster.pid").read_text().split()[0]))
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_metrics_count_requests_by_route_and_not_by_what_callers_invent(service: Service) -> None:
    service.http.get("/movies/1")
    service.http.request("PROPFIND", "/client")
    service.http.get("/no/such/place")
    requests = samples(service.http.get("/metrics").text, "http_requests_total")
    assert {labels["method"] for labels in requests} <= {
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "other",
    }
    assert {"method": "other", "handler": "/client", "status": "405"} in requests
    assert {"method": "GET", "handler": "none", "status": "404"} in requests
    handlers = {labels["handler"] for labels in requests}
    assert "/movies/1" not in handlers
    assert not any(handler.startswith(("/health", "/metrics")) for handler in handlers)


def test_metrics_name_ours_before_the_first_event(service: Service) -> None:
    told = service.http.get("/metrics").text
    sources = {labels["source"] for labels in samples(told, "marquee_recommendations_total")}
    assert sources == {"model", "preferences", "popular"}
    for name in ("users_created", "unknown_movies", "served_log_dropped", "model_load_failures"):
        assert samples(told, f"marquee_{name}_total") == [{}]
    threads = {labels["thread"] for labels in samples(told, "marquee_background_failures_total")}
    assert threads == {"served", "shelf", "figures", "traffic"}


def samples(told: str, name: str) -> list[dict[str, str]]:
    families = text_string_to_metric_families(told)
    return [sample.labels for family in families for sample in family.samples if sample.name == name]


def figures(service: Service, *names: str) -> list[float]:
    families = text_string_to_metric_families(service.http.get("/metrics").text)
    told = {sample.name: sample.value for family in families for sample in family.samples}
    return [told[f"marquee_{name}"] for name in names]


def test_two_apps_in_one_process_keep_their_metrics_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in (SETTINGS | {"DATABASE_URL": "postgresql+psycopg2://nobody@127.0.0.1:1/none"}).items():
        monkeypatch.setenv(key, value)
    settings = ApiSettings.read()
    assert create_app(settings).openapi() == create_app(settings).openapi()


def test_one_setting_closes_the_docs(service: Service, serve: Callable[..., Service]) -> None:
    closed = serve(DOCS="false")
    for path in ("/docs", "/openapi.json"):
        assert (service.http.get(path).status_code, closed.http.get(path).status_code) == (200, 404)
