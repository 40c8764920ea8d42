"""What Airflow sends with `config.metrics` of its values: Airflow itself is asked, and listened to."""

import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recommender.local.places import PROJECT
from tests.charts.rendering import documents
from tests.k8s.test_statsd import sent

KEPT = {"dag_id": "inject-data", "task_id": "load"}
LEFT_OUT = {
    "run_id": "manual__2026-11-21T21:17:31+00:00",
    "run_type": "manual",
    "job_id": "7",
    "hostname": "airflow-triggerer-0",
    "file_path": "inject_data.py",
    "queue": "default",
}
TYPES = {"counter": "1|c", "gauge": "1|g", "observer": "1500.000000|ms"}


@dataclass(frozen=True)
class Heard:
    packets: list[str]
    undeclared: list[str]


@pytest.fixture(scope="module")
def heard(airflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    home = tmp_path_factory.mktemp("airflow")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        statsd.bind(("127.0.0.1", 0))
        events = json.dumps([sent(), KEPT | LEFT_OUT])
        done = subprocess.run(
            [airflow, "-W", "ignore", Path(__file__).with_name("send.py"), events],
            env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(home), **settings(statsd.getsockname()[1])},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return Heard(received(statsd), json.loads(done.stdout.splitlines()[-1]))


def settings(port: int) -> dict[str, str]:
    """As the chart of Airflow makes them of the values, and where statsd is."""
    (values,) = documents((PROJECT / "k8s" / "airflow.yaml").read_text())
    metrics: dict[str, Any] = values["config"]["metrics"]
    said = metrics | {"statsd_on": True, "statsd_host": "127.0.0.1", "statsd_port": port}
    ours = {f"AIRFLOW__METRICS__{key.upper()}": str(value) for key, value in said.items()}
    return ours | {"AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


def received(statsd: socket.socket) -> list[str]:
    """What is there already: who sent it has ended."""
    statsd.setblocking(False)
    packets = []
    while True:
        try:
            packets.append(statsd.recv(65535).decode())
        except BlockingIOError:
            return packets


def test_an_event_is_sent_once_and_its_bounded_ids_are_tags(heard: Heard) -> None:
    tags = "".join(f",{name}={value}" for name, value in KEPT.items())
    ours = [f"airflow.{metric}{tags}:{TYPES[kind]}" for metric, kind in sent()]
    # What is left out is Airflow's own: how long it took to load what writes objects down.
    assert sorted(packet for packet in heard.packets if "serde" not in packet) == sorted(ours)


def test_airflow_still_declares_every_metric_that_was_recorded(heard: Heard) -> None:
    assert heard.undeclared == []
