"""The page of metrics and /metrics of a running API name the same ones."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from recommender.local.urls import PerRole
from tests.api.conftest import Service, run, serving, until

PAGE = Path(__file__).parents[2] / "api" / "METRICS.md"
HISTORY = [{"title": "The Matrix (1999)", "rating": 5}, {"title": "Inception (2010)", "rating": 4}]
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \|(?P<labels>[^|]*)\| (?P<sentence>[^|]+) \|$")

# What days and verbs leave in the tables.
FILL = """
    INSERT INTO injections (client_id, source, file, sha256, day, rows_read, rows_rejected, finished_at)
        SELECT client_id, 'day', 'a.csv', 'x', '2026-01-02', 9, 2, now() FROM clients;
    INSERT INTO rejects (injection_id, client_id, file, line, rule, row)
        SELECT injection_id, client_id, 'a.csv', line, 'bad_rating', 'x'
        FROM injections, generate_series(1, 2) line WHERE day = '2026-01-02';
    INSERT INTO drift SELECT '2026-01-02', champion, 'stars', 0.3, 0.02, 5000 FROM serving;
    INSERT INTO exposure VALUES ('2026-01-02', 10, 50, 100, 0.6);
    INSERT INTO runs (verb, day, started_at, finished_at, outcome, seconds)
        VALUES ('load', '2026-01-02', now(), now(), 'ok', 3.5);
    ANALYZE users; ANALYZE movies_users_rating;
"""


def fill(engine: Engine) -> None:
    for statement in FILL.split(";")[:-1]:
        run(engine, statement)


@pytest.fixture
def busy(copied: tuple[PerRole[Engine], Path]) -> Iterator[Service]:
    """An API that was asked for everything that leaves a figure."""
    engines, models = copied
    fill(engines.admin)
    urls = engines.map(lambda engine: engine.url.render_as_string(hide_password=False))
    with serving(urls, models, {"DATABASE_LIMIT": "20Gi"}) as service:
        client = service.client()
        listed = client.post("/recommendations", json={"history": HISTORY}).json()
        movie = listed["recommendations"][0]["movie_id"]
        told = {"recommendation_id": listed["recommendation_id"], "movie_id": movie, "event": "clicked"}
        assert client.post("/feedback", json=told).status_code == 201
        yield service


def described() -> dict[str, re.Match[str]]:
    rows = map(ROW.match, PAGE.read_text(encoding="utf-8").splitlines())
    return {row["name"]: row for row in rows if row}


def exposed(service: Service) -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric by the name that a query would use for it."""
    has_figures = until(service, "/metrics", lambda answer: "marquee_figures_timestamp" in answer.text).text
    found = {}
    for family in text_string_to_metric_families(has_figures):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = family.type, labels - {"le", "quantile"}
    return found


def test_the_page_lists_what_a_busy_api_exposes_and_nothing_else(busy: Service) -> None:
    page, there = described(), exposed(busy)
    assert sorted(page) == sorted(there)
    for name, (kind, labels) in there.items():
        written = set(re.findall(r"`(\w+)`", page[name]["labels"]))
        assert (page[name]["type"], written) == (kind, labels), name


def test_every_metric_has_a_sentence_of_its_own() -> None:
    sentences = [row["sentence"].strip() for row in described().values()]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)
