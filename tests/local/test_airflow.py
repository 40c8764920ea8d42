import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from recommender.errors import Failed
from recommender.local.airflow import ADMIN, PROCESSES, Airflow
from recommender.local.places import Places
from recommender.local.ports import HOST
from recommender.local.process import start_child
from recommender.local.report import Report
from recommender.local.secrets import MAKERS, read_or_make
from recommender.local.start import Start

DATABASE = "postgresql+psycopg2://airflow:p@127.0.0.1:1/airflow"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Of a platform whose environment of Airflow is there."""
    places = Places(tmp_path)
    python = places.airflow_environment / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return places


@pytest.fixture
def airflow(places: Places, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin:of-marquee@db.example.com/films")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "of another Airflow")
    airflow = Airflow(places, 8080, read_or_make(places.secrets))
    airflow.prepare(DATABASE)
    return airflow


def test_its_environment_holds_no_secret_of_marquees(places: Places, airflow: Airflow) -> None:
    told = "\n".join(airflow.environment().values())
    secrets = read_or_make(places.secrets)
    for name in MAKERS:
        if not name.startswith("airflow"):
            assert secrets[name] not in told, name
    assert "of-marquee" not in told


def test_it_listens_on_the_loopback_address_only_and_serves_no_logs(airflow: Airflow) -> None:
    environment = airflow.environment()
    assert environment["AIRFLOW__API__HOST"] == HOST
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    for name in ("Airflow's scheduler", "Airflow's triggerer"):
        assert "--skip-serve-logs" in PROCESSES[name]


def test_only_its_owner_can_read_who_may_sign_in(places: Places, airflow: Airflow) -> None:
    file = Path(airflow.environment()["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    assert json.loads(file.read_text()) == {ADMIN: places.airflow_password.read_text()}
    assert {path.stat().st_mode & 0o777 for path in (file, places.airflow_password)} == {0o600}


def test_a_step_runs_this_environments_command(airflow: Airflow) -> None:
    words = shlex.split(airflow.environment()["MARQUEE_COMMAND"])
    assert words[0] == sys.executable
    assert words[2:] == ["local", "run", "--ends-with-parent"]


def test_without_its_environment_it_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"start with \./setup\.sh local, or without Airflow: .* --no-airflow"):
        Airflow(Places(tmp_path), 8080, {}).prepare(DATABASE)


def test_no_proxy_stands_between_a_task_and_airflow(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "example.com")
    told = airflow.environment()
    assert told["no_proxy"] == told["NO_PROXY"] == f"example.com,{HOST}"


def test_waiting_ends_when_a_service_does(places: Places) -> None:
    start = Start(places, Report(sys.stdout))
    start.service("Sleeper", lambda: start_child(["/bin/sleep", "600"], output=subprocess.DEVNULL))
    start.check()
    child = start.services[0].child
    assert child
    os.kill(child.pid, 9)
    child.wait()
    with pytest.raises(Failed, match="Sleeper was ended by SIGKILL"):
        start.check()
    start.stop()
