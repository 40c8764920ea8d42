"""Both DAGs in a real Airflow, as ./setup.sh local starts it, in a copy of the project on other ports."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from recommender.local import verbs
from recommender.local.airflow import ADMIN
from recommender.local.dag_runs import DagRuns
from recommender.local.places import PROJECT, Places
from recommender.local.ports import HOST
from recommender.local.steps import DAY
from tests.local.conftest import processes_of
from tests.ports import free_port

pytestmark = pytest.mark.timeout(900)  # the first test waits for a platform of a dozen processes

COPIED = ("api", "dags", "migrations", "recommender", "requirements", "simulator")
KILLED = "process"


@dataclass(frozen=True)
class Platform:
    said: str  # while it started
    again: str  # a second run of train-model, for the same day
    empty: str  # a run of inject-data for a day without files
    runs: DagRuns
    airflow: httpx.Client
    api: httpx.Client

    def started_runs(self, dag: str, kind: str) -> list[dict[str, Any]]:
        runs = self.airflow.get(f"/api/v2/dags/{dag}/dagRuns", params={"run_type": kind})
        return list(runs.json()["dag_runs"])

    def task(self, dag: str, run: str, task: str, part: str = "") -> dict[str, Any]:
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}{part}"
        return dict(self.airflow.get(path).json())

    def states(self, dag: str, run: str) -> dict[str, str]:
        return self.runs.follow(dag, run, lambda _: None)


@pytest.fixture(scope="module")
def clone(airflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's code, with the environment of Airflow that is there."""
    clone = tmp_path_factory.mktemp("clone") / "a fresh clone"
    for name in COPIED:
        shutil.copytree(PROJECT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    places = Places(clone)
    places.state.mkdir()
    places.airflow_environment.symlink_to(airflow.parent.parent)
    return clone


@pytest.fixture(scope="module")
def platform(clone: Path) -> Iterator[Platform]:
    """Started once; the first try of one task is killed meanwhile."""
    marquee, airflow = free_port(), free_port()
    ports = {"MARQUEE_PORT": str(marquee), "AIRFLOW_PORT": str(airflow)}
    env = {**os.environ, "PYTHONPATH": str(clone), **ports}
    command = [*verbs.command("marquee"), "local"]
    try:
        with subprocess.Popen([*command, "up"], env=env, cwd=clone, stdout=subprocess.PIPE, text=True) as up:
            said = follow_and_kill(up, clone)
        assert up.returncode == 0, said
        yield from signed_in(said, clone, marquee, airflow)
    finally:
        subprocess.run([*command, "down"], env=env, cwd=clone, check=True)
    assert not list(processes_of(clone))


def signed_in(said: str, clone: Path, marquee: int, airflow: int) -> Iterator[Platform]:
    password = Places(clone).airflow_password.read_text()
    runs = DagRuns(f"http://{HOST}:{airflow}", ADMIN, password, lambda: None)
    runs.wait_for_api()
    with (
        httpx.Client(base_url=f"http://{HOST}:{airflow}", timeout=30) as of_airflow,
        httpx.Client(base_url=f"http://{HOST}:{marquee}") as of_marquee,
    ):
        token = of_airflow.post("/auth/token", json={"username": ADMIN, "password": password})
        of_airflow.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        again = runs.trigger("train-model", {"day": DAY})
        empty = runs.trigger("inject-data", {"day": "2026-02-01"})
        yield Platform(said, again, empty, runs, of_airflow, of_marquee)
    runs.close()


def follow_and_kill(up: "subprocess.Popen[str]", clone: Path) -> str:
    said = ""
    assert up.stdout
    for line in up.stdout:
        said += line
        if "fetch: success" in line:
            os.kill(first_of(clone, KILLED), signal.SIGKILL)
    return said


def first_of(clone: Path, verb: str) -> int:
    """The process that runs the verb, as soon as there is one."""
    while True:
        for place in processes_of(clone):
            if f"\0{verb}\0".encode() in (place / "cmdline").read_bytes():
                return int(place.name)


def test_the_asset_starts_training_once_and_the_api_serves_what_was_published(platform: Platform) -> None:
    (train,) = platform.started_runs("train-model", "asset_triggered")
    assert train["state"] == "success"
    record = platform.task("train-model", train["dag_run_id"], "publish", "/xcomEntries/return_value")
    assert platform.api.get("/health/ready").json()["model"] == record["value"]["version"]
    assert "because you liked " in platform.said


def test_the_day_that_was_loaded_is_the_day_that_is_learned(platform: Platform) -> None:
    (train,) = platform.started_runs("train-model", "asset_triggered")
    fields = platform.task("train-model", train["dag_run_id"], "train")["rendered_fields"]
    assert fields["env"]["DAY"] == DAY


def test_a_killed_task_is_tried_again_and_succeeds(platform: Platform) -> None:
    said = [line.strip() for line in platform.said.splitlines() if line.strip().startswith(f"{KILLED}: ")]
    assert [line.partition(",")[0] for line in said] == [f"{KILLED}: up for retry", f"{KILLED}: success"]


def test_the_same_data_are_not_learned_from_twice(platform: Platform) -> None:
    states = platform.states("train-model", platform.again)
    assert states.pop("tidy") == "success"
    assert set(states.values()) == {"skipped"}


def test_a_day_without_files_is_skipped_and_starts_no_training(platform: Platform) -> None:
    states = platform.states("inject-data", platform.empty)
    assert states == {"fetch": "skipped", "process": "skipped", "load": "skipped"}
    assert len(platform.started_runs("train-model", "asset_triggered")) == 1


@pytest.mark.parametrize(
    ("asked", "why"),
    [({"day": "2026-02-30"}, "param day: '2026-02-30' is not a 'date'"), ({"force": "because"}, "too short")],
)
def test_a_bad_parameter_is_refused_with_its_reason(
    platform: Platform, asked: dict[str, str], why: str
) -> None:
    body = {"logical_date": None, "conf": asked}
    answer = platform.airflow.post("/api/v2/dags/inject-data/dagRuns", json=body)
    assert answer.status_code == 400
    assert why in answer.json()["detail"]


def test_nothing_is_trained_beside_a_run(platform: Platform) -> None:
    body = {"dag_id": "train-model", "from_date": "2026-01-30T00:00:00Z", "to_date": "2026-01-31T00:00:00Z"}
    answer = platform.airflow.post("/api/v2/backfills", json=body)
    assert answer.status_code == 400
    assert "does not allow backfill runs" in answer.json()["detail"]


def test_it_listens_on_the_loopback_address_only(platform: Platform, clone: Path) -> None:
    ports = {address.rpartition(":")[2]: address for address in listening(clone)}
    assert {f"{client.base_url.port:04X}" for client in (platform.airflow, platform.api)} < set(ports)
    assert {address.rpartition(":")[0] for address in ports.values()} == {"0100007F"}


def listening(clone: Path) -> Iterator[str]:
    """The addresses of its processes, as the kernel writes them: backwards, in hexadecimal digits."""
    ours = {file for place in processes_of(clone) for file in open_files(place)}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in ours:
                yield fields[1]


def open_files(place: Path) -> Iterator[str]:
    for file in (place / "fd").glob("*"):
        try:
            yield str(file.readlink())
        except OSError:  # closed meanwhile
            continue


def test_what_it_writes_about_people_is_for_its_owner_only(platform: Platform, clone: Path) -> None:
    assert platform.said
    for folder in (Places(clone).data, Places(clone).airflow, Places(clone).models):
        assert folder.stat().st_mode & 0o077 == 0, folder
