"""What is asked of Airflow, of a server that gives written answers in a written order."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from recommender.errors import Failed
from recommender.local import dag_runs
from recommender.local.dag_runs import DagRuns
from recommender.local.ports import HOST
from tests.ports import free_port

Answer = tuple[str, dict[str, Any]]  # to what the path holds
NONE_YET: Answer = ("run_type=asset_triggered", {"dag_runs": []})
FOUND: Answer = ("run_type=asset_triggered", {"dag_runs": [{"dag_run_id": "ours"}]})
CAUSE: Answer = ("ours/upstreamAssetEvents", {"asset_events": [{"source_run_id": "inject"}]})


def active(runs: int) -> Answer:
    return "state=queued&state=running", {"total_entries": runs}


class Written(BaseHTTPRequestHandler):
    answers: list[Answer]

    def do_GET(self) -> None:
        asked, answer = self.answers.pop(0)
        self.send_response(200 if asked in self.path else 400)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[DagRuns]:
    monkeypatch.setattr(dag_runs, "READY_WITHIN_S", 0)
    monkeypatch.setattr(dag_runs, "LOOK_EVERY_S", 0)
    monkeypatch.setenv("HTTP_PROXY", f"http://{HOST}:9")
    with HTTPServer((HOST, 0), Written) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        runs = DagRuns(f"http://{HOST}:{server.server_port}", "admin", "p", lambda: None)
        yield runs
        runs.close()
        server.shutdown()


def test_a_run_is_waited_for_while_an_earlier_one_goes_on(airflow: DagRuns) -> None:
    Written.answers = [NONE_YET, active(1), NONE_YET, active(2), FOUND, CAUSE]
    assert airflow.started_by("train-model", "inject") == "ours"


def test_a_run_that_nothing_holds_up_and_does_not_come_is_told(airflow: DagRuns) -> None:
    Written.answers = [NONE_YET, active(0)]
    with pytest.raises(Failed, match="No run of train-model was started by inject after 0 s"):
        airflow.started_by("train-model", "inject")


def test_an_airflow_that_is_gone_is_one_sentence() -> None:
    runs = DagRuns(f"http://{HOST}:{free_port()}", "admin", "p", lambda: None)
    with pytest.raises(Failed, match="Airflow does not answer to POST /api/v2/dags/inject-data/dagRuns: "):
        runs.trigger("inject-data", {})
    runs.close()
