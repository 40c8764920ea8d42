"""Both DAGs in a real Airflow, whose steps are pods of a cluster that allows what the chart's Role allows."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommender.local.places import PROJECT
from tests.charts.rendering import render
from tests.dags.conftest import IN_THE_CLUSTER, NOWHERE, Told
from tests.dags.few_rights import Cluster, End, Object, Pod, Served

pytestmark = pytest.mark.timeout(900)

DAY = "2026-01-31"
SHARDS = [{"digest": "d1", "shard": shard} for shard in range(2)]
NOTHING = End(99, "There is nothing to do.")
NO_MEMORY = End(137, "counting", reason="OOMKilled")
NO_SCRATCH = End(137, "judging", message='Usage of EmptyDir volume "tmp" exceeds the limit "2Gi".')
NO_DISK = End(1, "marquee: No space is left in /var/lib/marquee/data.")


def done(record: Any, looks: int = 0, *, unheard: bool = False) -> End:
    """A pod that says something on both streams, as a verb does."""
    return End(0, f"reading\n{json.dumps(record)}\ntmp: 3 of 3", looks, unheard)


PLAN = {
    "process": [NO_MEMORY, done({"verb": "process"})],
    "evaluate": [NO_SCRATCH, done({"verb": "evaluate"})],
    "fetch": [NO_DISK, done({"files": 3}, looks=1)],
    "load": [done({"day": DAY})],
    "snapshot": [done(SHARDS)],
    "train": [done({"version": "v1"})],
    "publish": [NOTHING],
    "refold": [done({"users": 7}, looks=2, unheard=True)],
    "drift": [End(None, lingers=4), End(1, "marquee: one"), End(1, "marquee: two")],
} | {verb: [done({"verb": verb})] for verb in ("count", "recommend-all")}


@dataclass(frozen=True)
class Ran:
    cluster: Cluster
    told: Told
    said: str

    def state(self, task: str) -> Any:
        return {**self.told["inject-data"]["tasks"], **self.told["train-model"]["tasks"]}[task]

    def record(self, task: str) -> Any:
        return {**self.told["inject-data"]["records"], **self.told["train-model"]["records"]}[task]

    def left(self, verb: str) -> list[Pod]:
        return [pod for pod in self.cluster.pods.values() if pod.verb == verb]


def rights() -> list[Object]:
    rules: list[Object] = render({"airflow": {"enabled": True}}).one("Role", "marquee-airflow")["rules"]
    return rules


def failed(name: str, days_ago: int) -> Pod:
    labels = {
        "app.kubernetes.io/name": "marquee",
        "app.kubernetes.io/instance": "films",
        "app.kubernetes.io/component": "pipeline",
        "marquee.io/volumes": "films-marquee",
        "kubernetes_pod_operator": "True",
    }
    made = (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    container = {"name": "base", "args": ["--record", "-", "an old step"]}
    about = {"name": name, "namespace": "marquee", "labels": labels, "creationTimestamp": made}
    return Pod({"metadata": about, "spec": {"containers": [container]}}, NO_DISK, looks=1)


@pytest.fixture(scope="module")
def ran(airflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    cluster = Cluster(rights(), PLAN, {pod.name: pod for pod in (failed("old", 8), failed("recent", 6))})
    home = tmp_path_factory.mktemp("airflow")
    with Served(cluster) as served:
        config = NOWHERE | {"clusters": [{"name": "nowhere", "cluster": {"server": served.address}}]}
        (home / "kube.json").write_text(json.dumps(config))
        env = {
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__WORKERS__API_RETRIES": "1",
            "KUBECONFIG": str(home / "kube.json"),
            **IN_THE_CLUSTER,
            "MARQUEE_RETRY_S": "0",
            "MARQUEE_START_S": "1",
        }
        script = Path(__file__).with_name("inside_a_run.py")
        conf = json.dumps({"day": DAY})
        run([airflow, "-m", "airflow", "db", "migrate"], env, home)
        said = run(
            [airflow, "-W", "ignore", script, PROJECT / "dags", conf, "inject-data", "train-model"], env, home
        )
    yield Ran(cluster, json.loads(said.splitlines()[-1]), said)


def run(command: list[Any], env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def test_airflow_asks_for_nothing_that_its_role_does_not_allow(ran: Ran) -> None:
    assert ran.cluster.refused == []


def test_the_record_of_a_step_is_the_last_json_of_its_log(ran: Ran) -> None:
    assert ran.record("load") == {"day": DAY}
    assert ran.record("train") == {"version": "v1"}


def test_every_shard_of_the_record_is_counted(ran: Ran) -> None:
    assert ran.record("snapshot") == SHARDS
    assert [ran.state(f"count[{shard}]")[0] for shard in range(2)] == ["success", "success"]


def test_a_step_that_had_nothing_to_do_is_skipped_and_leaves_no_pod(ran: Ran) -> None:
    assert ran.state("publish") == ["skipped", 1]
    assert ran.left("publish") == []


def test_a_step_that_succeeded_leaves_no_pod(ran: Ran) -> None:
    assert ran.state("train") == ["success", 1]
    assert ran.left("train") == []


def test_a_retry_deletes_the_pod_that_failed_and_makes_another(ran: Ran) -> None:
    assert ran.state("fetch") == ["success", 2]
    assert ran.cluster.made.count("fetch") == 2
    assert ran.left("fetch") == []


def test_what_a_pod_said_is_in_the_log_of_its_task(ran: Ran) -> None:
    assert f"[base] logs: {NO_DISK.log}" in ran.said
    assert f"returned a failure.\n{NO_DISK.log}" in ran.said


def test_a_pod_whose_birth_was_not_heard_of_is_found_and_waited_for(ran: Ran) -> None:
    assert ran.state("refold") == ["success", 2]
    assert ran.record("refold") == {"users": 7}
    assert ran.cluster.made.count("refold") == 1


def test_no_step_ever_runs_twice_at_once(ran: Ran) -> None:
    most = {verb: number for verb, number in ran.cluster.most_at_once.items() if number > 1}
    assert set(most) <= {"count"}


def test_a_pod_that_does_not_start_says_why_and_is_deleted(ran: Ran) -> None:
    assert "Unschedulable: No room." in ran.said
    assert ran.cluster.made.count("drift") == 3


def test_a_pod_that_its_node_ended_says_why(ran: Ran) -> None:
    assert "OOMKilled: it needed more memory than its limit, which MARQUEE_SIZES sets." in ran.said
    assert f"Evicted: {NO_SCRATCH.message}" in ran.said
    assert ran.state("process") == ran.state("evaluate") == ["success", 2]


def test_the_pod_of_the_last_try_is_kept_to_be_looked_at(ran: Ran) -> None:
    assert ran.state("drift") == ["failed", 3]
    assert [pod.end.log for pod in ran.left("drift")] == ["marquee: two"]


def test_a_failed_pod_is_kept_for_a_week(ran: Ran) -> None:
    assert [pod.name for pod in ran.left("an old step")] == ["recent"]
