"""What /ops tells of a real API with four weeks behind it: figures, and nobody's data."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine

from api.ops import pod_of
from api.shelf import SCHEMA
from recommender.database import open_engine, transaction
from recommender.histories import DAYS, QUESTIONS, read_histories
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from recommender.schema import alembic_config
from tests.api.conftest import Service, Stock, away, copied_stock, run, serving, until
from tests.api.weeks import MEASURES, NIGHT, RULES, plant

# Looks, reads and samples many times a second.
QUICK = """
import api.figures, api.shelf, api.traffic, api.__main__ as api_main
api.shelf.POLL_S = api.figures.EVERY_S = api.traffic.EVERY_S = 0.2
api_main.main()
"""
MARKER = "trillian-of-earth"


def yesterday() -> date:
    return (datetime.now(UTC) - timedelta(1)).date()


@pytest.fixture(scope="module")
def engines_of_weeks(
    server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PerRole[Engine], Any]]:
    urls, models = copied_stock(server, stock, tmp_path_factory)
    engines = urls.map(open_engine)
    plant(engines.admin, yesterday(), who=MARKER)
    yield engines, models
    engines.map(Engine.dispose)


@pytest.fixture(scope="module")
def weeks(engines_of_weeks: tuple[PerRole[Engine], Any]) -> Iterator[Service]:
    engines, models = engines_of_weeks
    urls = engines.map(lambda engine: engine.url.render_as_string(hide_password=False))
    with serving(urls, models, {"DATABASE_LIMIT": "1Gi"}, ("-c", QUICK)) as service:
        yield service


def figures(service: Service) -> Any:
    """Once the first were read."""
    return until(service, "/ops/figures", lambda answer: answer.json()["jobs"] is not None).json()


def test_the_history_of_models_has_quality_and_the_gates_verdict(weeks: Service) -> None:
    models = figures(weeks)["models"]
    assert len(models) == DAYS
    champion, refused = models[0], next(model for model in models if model["outcome"] == "refused")
    assert (champion["champion"], champion["day"], champion["outcome"]) == (True, str(yesterday()), "passed")
    assert 0 < champion["popularity"] < champion["ndcg"] < 1
    assert "worse beyond noise" in refused["reasons"][0]
    assert [model["champion"] for model in models[1:]] == [False] * (DAYS - 1)


def test_each_day_has_its_rows_by_outcome_and_the_newest_its_rejects_by_rule(weeks: Service) -> None:
    told = figures(weeks)
    days = told["days"]
    assert [day["day"] for day in days] == [str(yesterday() - timedelta(back)) for back in range(DAYS)]
    for day in days:
        assert day["read"] == sum(day[name] for name in ("loaded", "unchanged", "superseded", "rejected"))
    assert {each["rule"]: each["rows"] for each in told["rejects"]} == RULES
    assert days[0]["rejected"] == sum(RULES.values())


def test_drift_is_told_by_measure_with_its_samples_and_its_weeks(weeks: Service) -> None:
    drift = figures(weeks)["drift"]
    assert {each["measure"] for each in drift} == set(MEASURES)
    for each in drift:
        assert (each["day"], each["verdict"]) == (str(yesterday()), "none")
        assert each["samples"] > 1000
        assert [day["day"] for day in each["history"]] == sorted(day["day"] for day in each["history"])
        assert len(each["history"]) == DAYS


def test_each_job_is_told_with_its_last_run(weeks: Service) -> None:
    jobs = {job["verb"]: job for job in figures(weeks)["jobs"]}
    assert jobs.keys() == {*NIGHT, "recommend-all"}
    assert all(job["day"] == str(yesterday()) and job["seconds"] > 0 for job in jobs.values())
    assert (jobs["load"]["outcome"], jobs["load"]["ok_at"]) == ("ok", jobs["load"]["finished_at"])
    assert (jobs["recommend-all"]["outcome"], jobs["recommend-all"]["ok_at"]) == ("skipped", None)


def test_health_database_and_versions_are_told(weeks: Service) -> None:
    told = figures(weeks)
    assert (told["concerns"], told["health"]["missing"]) == ([], [])
    assert told["health"]["model"] == told["health"]["champion"] == told["models"][0]["version"]
    assert told["health"]["schema"] >= told["health"]["schema_needed"] == SCHEMA
    database = told["database"]
    assert 0 < database["bytes"] < database["limit"] == 1 << 30
    assert 0 <= database["pool_in_use"] <= database["pool_size"] == 5
    assert int(database["postgres"].split(".")[0]) >= 16
    assert told["process"]["started"] < told["now"]


def test_the_traffic_of_clients_is_told_and_that_of_the_page_is_not(weeks: Service) -> None:
    client = weeks.client()
    before = figures(weeks)["traffic"]["whole"]
    for _ in range(3):
        assert client.post("/recommendations", json={"preferences": {"Animation": 5}}).status_code == 200
        assert weeks.http.get("/ops").status_code == 200
    told = until(
        weeks,
        "/ops/figures",
        lambda answer: answer.json()["traffic"]["whole"]["preferences"] - before["preferences"] >= 3,
    ).json()
    assert sum(told["traffic"]["minutes"]["all"]) == told["traffic"]["whole"]["all"]
    assert '"/ops' not in weeks.http.get("/metrics").text


def test_nothing_personal_is_told(weeks: Service, engines_of_weeks: tuple[PerRole[Engine], Any]) -> None:
    account = weeks.register(username="zaphod", name="Zaphod Ltd", email="zaphod@example.org")
    client = weeks.signed(weeks.token("zaphod"))
    rated = {"external_id": MARKER, "history": [{"title": "The Matrix (1999)", "rating": 5}]}
    assert client.post("/recommendations", json=rated).status_code == 200
    run(
        engines_of_weeks[0].admin,
        "INSERT INTO publications (version, kind, reason) SELECT champion, 'forced', :who FROM serving",
        who=f"{MARKER} asked for it",
    )
    told = until(weeks, "/ops/figures", lambda answer: '"published": "forced"' in answer.text).text
    for word in (MARKER, account["email"], "zaphod", "Zaphod", "viewers", "Matrix", "The "):
        assert word not in told


def test_while_the_database_is_away_the_page_tells_what_it_last_knew(
    weeks: Service, engines_of_weeks: tuple[PerRole[Engine], Any]
) -> None:
    before = figures(weeks)
    with away(engines_of_weeks[0]):
        told = until(weeks, "/ops/figures", lambda answer: answer.json()["figures"]["troubled"]).json()
        until(weeks, "/ops/figures", lambda answer: answer.json()["health"]["database"] == "away")
        said = [each["sentence"] for each in weeks.http.get("/ops/figures").json()["concerns"]]
        assert weeks.http.get("/ops").status_code == 200
    assert "The database does not answer." in said
    for part in ("days", "drift", "jobs"):
        assert told[part] == before[part]
    assert before["figures"]["read_at"] <= told["figures"]["read_at"] < told["now"]
    until(weeks, "/ops/figures", lambda answer: not answer.json()["figures"]["troubled"])


def test_before_any_day_or_model_each_part_is_there_and_empty(service: Service) -> None:
    told = figures(service)
    assert [told[part] for part in ("models", "days", "drift", "jobs", "rejects", "spread")] == [[]] * 6
    assert told["health"]["model"] is None
    assert "MarqueeNoModel" in {each["runbook"] for each in told["concerns"]}
    assert "No movie was seen yet: run marquee starter, or load a day." in told["health"]["missing"]


def test_on_the_schema_before_only_the_days_are_not_told(
    engines: PerRole[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engines.owner.url.render_as_string(hide_password=False))
    command.downgrade(alembic_config(), "0006")
    with transaction(engines.api) as connection:
        found = read_histories(connection)
    assert {part for part, rows in found.items() if rows is None} == {"days"}
    assert found.keys() == QUESTIONS.keys()


def test_drift_of_a_day_is_the_champions_where_two_were_compared(engines: PerRole[Engine]) -> None:
    for version, trained, psi in (("before", "2026-01-01", 0.01), ("rolled back", "2026-01-02", 0.9)):
        run(
            engines.admin,
            "INSERT INTO models (version, status, card, metrics, artifact_url, trained_at)"
            " VALUES (:version, 'published', '{}', '{}', '', :trained)",
            version=version,
            trained=trained,
        )
        run(
            engines.admin,
            "INSERT INTO drift VALUES ('2026-01-03', :version, 'genres', :psi, 0, 5000)",
            version=version,
            psi=psi,
        )
    run(engines.admin, "UPDATE serving SET champion = 'before'")
    with transaction(engines.api) as connection:
        assert [row["psi"] for row in read_histories(connection)["drift"] or ()] == [0.01]


@pytest.mark.parametrize("host", ["marquee-api-7d9f8b6c5d-x2x4z", "m-api-5b8c9-api-66c4f8b9d7-8kq5w"])
def test_a_pod_says_which_it_is(host: str) -> None:
    assert pod_of(host) == host


@pytest.mark.parametrize("host", ["Janes-MacBook-Air", "janes-laptop", "vm", "ip-10-0-0-7.example.com", ""])
def test_the_name_of_any_other_machine_is_not_told(host: str) -> None:
    assert pod_of(host) is None


def test_the_database_is_read_as_often_whether_or_not_anybody_looks(
    service: Service,
) -> None:
    """The page is answered of memory: the time of the figures stands, however often it is asked for."""
    read_at = figures(service)["figures"]["read_at"]
    found = {figures(service)["figures"]["read_at"] for _ in range(50)}
    assert len(found | {read_at}) <= 2
