"""Runs of DAGs, asked for and followed over Airflow's REST API."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx

from recommender.errors import Failed

READY_WITHIN_S = 180.0
LOOK_EVERY_S = 0.5
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
Record = dict[str, Any]


class DagRuns:
    """`alive` raises when a process that we wait for has ended."""

    def __init__(self, address: str, user: str, password: str, alive: Callable[[], None]) -> None:
        self._http = httpx.Client(base_url=address, timeout=30, trust_env=False)  # no proxy leads here
        self._address = address
        self._sign_in = {"username": user, "password": password}
        self._alive = alive

    def close(self) -> None:
        self._http.close()

    def wait_for_api(self) -> None:
        self._wait(lambda: self._health() is not None, "Airflow's API does not answer")
        answer = self._send("POST", "/auth/token", json=self._sign_in)
        if answer.status_code != 201:
            raise Failed(f"Airflow does not let us sign in: {answer.text[:300]}")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def wait_until_healthy(self, dags: Iterable[str]) -> None:
        """Every process has reported, and the DAGs are known."""
        self._wait(self._healthy, "Airflow is not healthy")
        for dag in dags:
            self._wait(lambda dag=dag: self._known(dag), f"Airflow does not know the DAG {dag}")  # type: ignore[misc]

    def trigger(self, dag: str, asked: Mapping[str, Any]) -> str:
        """The run's id."""
        run = self._post(f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(asked)})
        return str(run["dag_run_id"])

    def started_by(self, dag: str, cause: str) -> str:
        """The run that an asset event of another run has started, or will when earlier runs have ended."""
        found: list[str] = []
        trouble = f"No run of {dag} was started by {cause}"
        self._wait(lambda: self._find(dag, cause, found), trouble, busy=lambda: self._goes_on(dag))
        return found[0]

    def follow(self, dag: str, run: str, show: Callable[[str], None]) -> dict[str, str]:
        """Each task's state, when all have ended. A failed run raises."""
        told: set[tuple[str, int, int]] = set()
        while True:
            self._alive()
            state = self._get(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
            tasks = self._tasks(dag, run)
            for task in tasks:
                self._tell(task, told, show)
            if state == "failed":
                raise Failed(f"A task of {dag} failed: {self._address}/dags/{dag}/runs/{run}")
            if state == "success":
                return {task["task_id"]: task["state"] for task in tasks}
            time.sleep(LOOK_EVERY_S)

    @staticmethod
    def _tell(task: Record, told: set[tuple[str, int, int]], show: Callable[[str], None]) -> None:
        key = (task["task_id"], task["map_index"], task["try_number"])
        if key in told or task["state"] not in ENDED | {"up_for_retry"}:
            return
        told.add(key)
        part = f" {task['map_index']}" if task["map_index"] >= 0 else ""
        took = f", {task['duration']:.1f} s" if task["duration"] else ""
        show(f"{task['task_id']}{part}: {task['state'].replace('_', ' ')}{took}")

    def _tasks(self, dag: str, run: str) -> list[Record]:
        ended = self._get(
            f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", {"order_by": "end_date", "limit": 100}
        )
        return list(ended["task_instances"])

    def _find(self, dag: str, cause: str, found: list[str]) -> bool:
        newest = {"run_type": "asset_triggered", "order_by": "-run_after", "limit": 5}
        for run in self._get(f"/api/v2/dags/{dag}/dagRuns", newest)["dag_runs"]:
            path = f"/api/v2/dags/{dag}/dagRuns/{run['dag_run_id']}/upstreamAssetEvents"
            if cause in {event["source_run_id"] for event in self._get(path)["asset_events"]}:
                found.append(str(run["dag_run_id"]))
        return bool(found)

    def _goes_on(self, dag: str) -> bool:
        active = {"state": ["queued", "running"], "limit": 1}
        return bool(self._get(f"/api/v2/dags/{dag}/dagRuns", active)["total_entries"])

    def _health(self) -> Record | None:
        try:
            answer = self._http.get("/api/v2/monitor/health")
        except httpx.HTTPError:
            return None
        return dict(answer.json()) if answer.status_code == 200 else None

    def _healthy(self) -> bool:
        health = self._health() or {}
        return all((health.get(part) or {}).get("status") == "healthy" for part in HEALTHY)

    def _known(self, dag: str) -> bool:
        return self._send("GET", f"/api/v2/dags/{dag}").status_code == 200

    def _wait(
        self, until: Callable[[], bool], trouble: str, busy: Callable[[], bool] = lambda: False
    ) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not until():
            self._alive()
            if busy():
                deadline = time.monotonic() + READY_WITHIN_S
            elif time.monotonic() > deadline:
                raise Failed(f"{trouble} after {READY_WITHIN_S:.0f} s.")
            time.sleep(LOOK_EVERY_S)

    def _get(self, path: str, asked: Mapping[str, Any] | None = None) -> Record:
        return self._answer(self._send("GET", path, params=asked), path)

    def _post(self, path: str, body: Mapping[str, Any]) -> Record:
        return self._answer(self._send("POST", path, json=body), path)

    def _send(self, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **what)
        except httpx.HTTPError as error:
            self._alive()
            raise Failed(f"Airflow does not answer to {method} {path}: {error}") from error

    @staticmethod
    def _answer(answer: httpx.Response, path: str) -> Record:
        if not answer.is_success:
            raise Failed(f"Airflow answered {path} with {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json())
