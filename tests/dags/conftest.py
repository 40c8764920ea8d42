"""Airflow has an environment of its own, so what it makes of the DAG files is asked of it as a program."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender.local.places import PROJECT, Places

Told = dict[str, Any]
HOSTILE = (
    """it's "quoted" $(touch pwned) `touch pwned` ; touch pwned & {{ 1 + 1 }} $DATABASE_URL $(DATABASE_URL)"""
)
ON_ONE_MACHINE = {"MARQUEE_COMMAND": "'/a folder/bin/marquee' local run", "MARQUEE_RETRY_S": "7"}
IN_THE_CLUSTER = {
    "MARQUEE_RUNNER": "kubernetes",
    "MARQUEE_IMAGE": "localhost/marquee:1",
    "MARQUEE_PULL_POLICY": "Never",
    "MARQUEE_NAMESPACE": "marquee",
    "MARQUEE_INSTANCE": "films",
    "MARQUEE_SERVICE_ACCOUNT": "films-marquee-pipeline",
    "MARQUEE_CONFIGMAP": "films-marquee-pipeline",
    "MARQUEE_SECRET": "films-marquee",
    "MARQUEE_CLAIMS": '{"films-marquee-data": "/var/lib/marquee/data"}',
    "MARQUEE_VOLUMES": "films-marquee",
    "MARQUEE_SIZES": '{"train": {"cpu": "4", "cpuLimit": "8", "memory": "16Gi", "tmp": "20Gi"}}',
    "MARQUEE_SHARDS": "64",
}
ELSEWHERE = {  # a bucket, and an authority of its own for the database
    "MARQUEE_CLAIMS": "",
    "MARQUEE_VOLUMES": "",
    "MARQUEE_BUCKET_SECRET": "bucket",
    "MARQUEE_AUTHORITY": "Secret/authority/ca.crt",
}
NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "nowhere",
    "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:9"}}],
    "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
    "users": [{"name": "nobody", "user": {}}],
}


@pytest.fixture(scope="session")
def airflow() -> Path:
    """The Python of its environment."""
    python = Places(PROJECT).airflow_environment / "bin" / "python"
    if not python.exists():
        pytest.fail(f"There is no Airflow in {python.parent.parent}: ./setup.sh test makes it.")
    return python


@pytest.fixture(scope="session")
def ask(airflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], Told]:
    def ask(settings: dict[str, str]) -> Told:
        home = tmp_path_factory.mktemp("airflow")
        (home / "kube.json").write_text(json.dumps(NOWHERE))
        done = subprocess.run(
            [airflow, "-W", "ignore", Path(__file__).with_name("inside.py"), PROJECT / "dags", HOSTILE],
            env={
                "PATH": os.environ["PATH"],
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
                "KUBECONFIG": str(home / "kube.json"),
                **settings,
            },
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: Told = json.loads(done.stdout.splitlines()[-1])
        return told

    return ask


@pytest.fixture(scope="session")
def local(ask: Callable[[dict[str, str]], Told]) -> Told:
    return ask(ON_ONE_MACHINE)


@pytest.fixture(scope="session")
def cluster(ask: Callable[[dict[str, str]], Told]) -> Told:
    return ask(IN_THE_CLUSTER)


@pytest.fixture(scope="session")
def elsewhere(ask: Callable[[dict[str, str]], Told]) -> Told:
    return ask(IN_THE_CLUSTER | ELSEWHERE)
