"""What holds for every DAG and every task, in both places."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from recommender.local.places import PROJECT
from tests.dags.conftest import Told

DAGS = ("inject-data", "train-model")
INJECT = ["fetch", "process", "load"]
TRAIN = ["snapshot", "count", "train", "evaluate", "publish", "refold", "recommend-all", "drift", "tidy"]


def tasks(told: Told) -> Iterator[tuple[str, Told]]:
    for dag in DAGS:
        yield from told["dags"][dag]["tasks"].items()


@pytest.fixture(params=["local", "cluster"])
def told(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_there_are_these_two_dags_and_every_file_can_be_read(told: Told) -> None:
    assert told["import_errors"] == {}
    assert tuple(sorted(told["dags"])) == DAGS
    assert list(told["dags"]["inject-data"]["tasks"]) == INJECT
    assert list(told["dags"]["train-model"]["tasks"]) == TRAIN


def test_reading_them_is_quick_and_imports_nothing_heavy(local: Told, cluster: Told) -> None:
    assert local["parse_s"] < 1
    assert local["heavy"] == cluster["heavy"] == []


@pytest.mark.parametrize("dag", DAGS)
def test_a_dag_says_what_it_is_and_does_not_catch_up(told: Told, dag: str) -> None:
    this = told["dags"][dag]
    assert f"# {dag}: " in this["doc"]
    assert "| outcome |" in this["doc"]
    assert "marquee" in this["tags"]
    assert this["catchup"] is False
    for task in this["tasks"]:
        assert f"`{task}`" in this["doc"]


def test_days_are_injected_side_by_side_and_nothing_is_trained_twice_at_once(told: Told) -> None:
    assert told["dags"]["inject-data"]["max_active_runs"] > 1
    train = told["dags"]["train-model"]
    assert train["max_active_runs"] == 1
    assert train["kinds_of_run"] == ["asset_triggered", "manual", "scheduled"]  # a backfill has its own limit


def test_each_runs_at_its_hour_and_training_also_when_ratings_came(told: Told) -> None:
    inject, train = (told["dags"][dag] for dag in DAGS)
    assert "expression='0 7 * * *', timezone='UTC'" in inject["schedule"]
    assert "expression='45 7 * * *', timezone='UTC'" in train["schedule"]
    assert "Asset(name='ratings'" in train["schedule"]
    outlets = {name: task["outlets"] for name, task in tasks(told) if task["outlets"]}
    assert outlets == {"load": ["ratings"]}


def test_every_task_has_an_owner_retries_and_an_end(told: Told) -> None:
    for name, task in tasks(told):
        assert task["owner"] == "marquee", name
        assert task["retries"] >= 1, name
        assert task["retry_delay_s"] > 0, name
        assert 0 < task["timeout_s"] <= 6 * 3600, name
        assert task["skips"] == [99], name


def test_files_that_are_late_are_waited_for_an_hour(cluster: Told) -> None:
    fetch = cluster["dags"]["inject-data"]["tasks"]["fetch"]
    assert fetch["retries"] * fetch["retry_delay_s"] == 3600


def test_a_refused_model_and_a_day_without_lists_stop_nothing(told: Told) -> None:
    train = told["dags"]["train-model"]["tasks"]
    rules = {name: task["rule"] for name, task in train.items() if task["rule"] != "all_success"}
    assert rules == {
        "refold": "none_failed_min_one_success",
        "drift": "none_failed_min_one_success",
        "tidy": "none_failed",
    }
    assert train["refold"]["after"] == ["evaluate", "publish"]
    assert train["recommend-all"]["after"] == ["refold"]
    assert train["drift"]["after"] == ["recommend-all", "refold"]
    assert train["tidy"]["after"] == ["drift"]


@pytest.mark.parametrize("dag", DAGS)
def test_a_day_is_a_date_and_force_has_a_reason(told: Told, dag: str) -> None:
    assert told["dags"][dag]["refuses"] == [
        ["day", "2026-02-30"],
        ["day", "20260131"],
        ["day", "2026-01-31; true"],
        ["day", 20260131],
        ["force", "because"],
    ]


def test_they_are_in_the_style_of_this_airflow() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "AIR3", "--preview", "dags"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_dag_files_are_short() -> None:
    for dag in DAGS:
        file = PROJECT / "dags" / f"{dag.replace('-', '_')}.py"
        assert 30 <= len(file.read_text().splitlines()) <= 80, file


def test_airflow_looks_for_dags_in_no_other_file() -> None:
    files = {file.name for file in (PROJECT / "dags").glob("*.py")}
    ignored = set((PROJECT / "dags" / ".airflowignore").read_text().splitlines())
    assert files - ignored == {f"{dag.replace('-', '_')}.py" for dag in DAGS}
