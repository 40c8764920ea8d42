"""Every panel of every board finds something in a real Prometheus, and its picture is drawn from that."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from dashboards.boards import BOARDS
from dashboards.boards.asking import Prometheus
from dashboards.boards.board import Board
from dashboards.boards.preview import Picture
from recommender.local.places import PROJECT
from recommender.local.urls import PerRole
from tests.api.conftest import Service, away, run, serving
from tests.api.conftest import copied as copied
from tests.api.conftest import stock as stock
from tests.dashboards.running import PROMETHEUS, files, prometheus
from tests.dashboards.viewers import Viewers

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(900),
    pytest.mark.skipif(PROMETHEUS is None, reason="wants prometheus (apt-get install prometheus)"),
]

SHOWN_S, VIEWERS_S, AWAY_S, WINDOW_S = 150, 60, 8, 10
DRAWN = PROJECT / "dashboards" / "pictures"
SOURCES = PROJECT / "dashboards" / "sources"

# What days and verbs leave in the tables.
FILL = """
    INSERT INTO injections (client_id, source, file, sha256, day, rows_read, rows_loaded, rows_unchanged,
        rows_superseded, rows_rejected, finished_at)
        SELECT client_id, 'day', 'a.csv', 'x', current_date - 1, 5000, 4700, 150, 30, 120, now() FROM clients;
    INSERT INTO rejects (injection_id, client_id, file, line, rule, row)
        SELECT injection_id, client_id, 'a.csv', line,
            (ARRAY['bad_rating', 'unknown_movie', 'bad_time'])[1 + line % 3], 'x'
        FROM injections, generate_series(1, 120) line WHERE day = current_date - 1;
    INSERT INTO drift SELECT current_date - 1, champion, measure, psi, psi / 9, 4200
        FROM serving, (VALUES ('genres', 0.03), ('stars', 0.12), ('length', 0.05), ('taste 1', 0.31),
            ('taste 2', 0.02), ('taste 3', 0.04)) AS told (measure, psi);
    INSERT INTO exposure VALUES (current_date - 1, 200, 480, 1000, 0.74);
    INSERT INTO nightly_lists (client_id, user_id, day, source, movie_ids, scores)
        SELECT client_id, user_id, current_date, 'popular', '{}', '{}' FROM users LIMIT 1;
    INSERT INTO runs (verb, day, started_at, finished_at, outcome, seconds)
        SELECT verb, current_date - 1, now() - interval '2 hours', now() - ago, outcome, seconds
        FROM (VALUES ('fetch', interval '100 minutes', 'ok', 2.1),
            ('process', interval '95 minutes', 'ok', 14.2),
            ('load', interval '90 minutes', 'ok', 31.8),
            ('train', interval '70 minutes', 'ok', 96.4),
            ('evaluate', interval '65 minutes', 'ok', 41.0),
            ('publish', interval '64 minutes', 'ok', 0.7),
            ('refold', interval '60 minutes', 'ok', 12.5), ('train', interval '25 hours', 'failed', 3.3),
            ('fetch', interval '26 hours', 'skipped', 0.2)) AS told (verb, ago, outcome, seconds);
    INSERT INTO models (version, status, card, metrics, artifact_url, verdict, day)
        SELECT 'refused', 'refused', card, metrics, artifact_url,
            jsonb_set(verdict, '{outcome}', '"refused"'), day FROM models;
    UPDATE models SET day = current_date - 1;
    ANALYZE users; ANALYZE movies_users_rating
"""

ONE_MACHINE = {"namespace": "", "job": "marquee-api"}
# Panels that may find nothing, and why.
EMPTY = {
    "What fires": "nothing need be wrong",
}
EMPTY_ON_ONE_MACHINE = {
    "What fires": "nothing need be wrong",
    "Restarts": "no cluster tells of pods",
    "Why containers stopped": "no cluster tells of pods",
    "Volumes": "no kubelet tells of volumes",
    "Last backup": "no cluster tells of a CronJob",
    "Age of the last backup": "no cluster tells of a CronJob",
    "Failed backups": "no cluster tells of a CronJob",
}


def scraped(services: list[Service], recorded: str) -> dict[str, Any]:
    """The API's processes as in a cluster, one also as on a machine, and what other programs told once."""
    apis = [
        {
            "targets": [service.url.removeprefix("http://")],
            "labels": {"namespace": "marquee", "pod": f"marquee-api-{number}"},
        }
        for number, service in enumerate(services)
    ]
    alone = {"targets": apis[0]["targets"]}  # as on one machine
    jobs: list[dict[str, Any]] = [{"job_name": "marquee-api", "static_configs": [*apis, alone]}]
    for file in sorted(SOURCES.glob("*.prom")):
        labels = {"namespace": "airflow"} if file.stem == "airflow" else {}
        told = {"targets": [recorded], "labels": labels}
        job = {"job_name": file.stem, "metrics_path": f"/{file.name}", "honor_labels": True}
        jobs.append(job | {"static_configs": [told]})
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules/*.yaml"],
        "scrape_configs": jobs,
    }


def hurried(folder: Path) -> None:
    """Rules that are evaluated each second and not each minute."""
    (folder / "rules").mkdir()
    for file in (PROJECT / "dashboards" / "rules").glob("*.yaml"):
        rules = yaml.safe_load(file.read_text(encoding="utf-8"))
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / "rules" / file.name).write_text(yaml.safe_dump(rules), encoding="utf-8")


@pytest.fixture
def busy(copied: tuple[PerRole[Engine], Path], tmp_path: Path) -> Iterator[Prometheus]:
    """Two processes of the API, two minutes of viewers, a few seconds without a database."""
    engines, models = copied
    for statement in FILL.split(";"):
        run(engines.admin, statement)
    urls = engines.map(lambda engine: engine.url.render_as_string(hide_password=False))
    hurried(tmp_path)
    settings = {"DATABASE_LIMIT": "1Gi", "CREATE_RATE": "2"}
    with ExitStack() as running:
        services = [running.enter_context(serving(urls, models, settings)) for _ in range(2)]
        config = scraped(services, running.enter_context(files(SOURCES)))
        url = running.enter_context(prometheus(tmp_path, config))
        viewers = Viewers(services, seed=7)
        viewers.start()
        running.callback(viewers.leave)
        viewers.join(VIEWERS_S)
        refused(services[0])
        with away(engines):
            viewers.join(AWAY_S)
        viewers.join(VIEWERS_S)
        yield Prometheus(url, time.time(), SHOWN_S, WINDOW_S)


def refused(service: Service) -> None:
    """More registrations than an address may make."""
    answers = [service.http.post("/create-client", json={}).status_code for _ in range(9)]
    assert 429 in answers


def unanswered(source: Prometheus, board: Board, values: Mapping[str, str]) -> set[str]:
    """Panels with a query that finds nothing."""
    panels = Picture(board, source).panels
    asked = [(panel["title"], target) for panel in panels for target in panel.get("targets", ())]
    return {title for title, target in asked if not source.ask(target, values)}


def test_each_query_of_each_panel_finds_something(busy: Prometheus, tmp_path: Path) -> None:
    """The pictures of the repository are redrawn when PICTURES is set."""
    folder = DRAWN if os.environ.get("PICTURES") else tmp_path
    for board in BOARDS:
        (folder / f"board-{board.name}.png").write_bytes(Picture(board, busy).draw())
        assert unanswered(busy, board, busy.values(board.variables)) <= set(EMPTY), board.name
        if "api" in board.sources:
            assert unanswered(busy, board, ONE_MACHINE) <= set(EMPTY_ON_ONE_MACHINE), board.name
