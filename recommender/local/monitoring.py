"""Prometheus and Alertmanager on this machine: the system's programs, our rules, the loopback address."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from recommender.errors import Failed
from recommender.local.ports import HOST
from recommender.local.process import start_child

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "Prometheus": ("prometheus",),
    "Alertmanager": ("prometheus-alertmanager", "alertmanager"),  # Debian's name, and upstream's
}
JOB = "marquee-api"  # as in the cluster
# The others want metrics of Airflow or Kubernetes.
RULES = ("slo", "api", "figures", "model", "data", "database")
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "TZ": "UTC"}  # nothing of ours is theirs to know
KEEP = (
    "--storage.tsdb.path=data",
    "--storage.tsdb.retention.time=15d",
    "--storage.tsdb.retention.size=1GB",
)
ALONE = ("--storage.path=data", "--cluster.listen-address=")
Launch = Callable[[], "subprocess.Popen[bytes]"]


def program(name: str) -> Path:
    for command in PROGRAMS[name]:
        if found := shutil.which(command):
            return Path(found)
    raise Failed(
        f"There is no {name} on this machine, which --monitoring wants; "
        "on Debian or Ubuntu: sudo apt install prometheus prometheus-alertmanager"
    )


def check_programs() -> None:
    for name in PROGRAMS:
        program(name)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """`folder` gets a folder for each of the two; `log` names the file of one that starts now."""

    folder: Path
    rules: Path
    log: Callable[[str], Path]
    api_port: int
    port: int
    alerts_port: int
    every: str = "10s"

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def alerts_address(self) -> str:
        return f"http://{HOST}:{self.alerts_port}"

    def addresses(self) -> dict[str, str]:
        return {
            "Metrics": f"{self.address}, Prometheus; of the API, not of Airflow",
            "Alerts": f"{self.alerts_address}, Alertmanager; nobody is notified",
        }

    def prepare(self) -> None:
        """The rules are found from Prometheus' own folder: a path that it is told is a pattern."""
        for name, settings in (("prometheus", self._prometheus()), ("alertmanager", self._alertmanager())):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name / f"{name}.yml").write_text(json.dumps(settings, indent=2) + "\n")
        link = self.folder / "prometheus" / "rules"
        link.unlink(missing_ok=True)
        link.symlink_to(self.rules)

    def services(self) -> Iterator[tuple[str, Launch]]:
        """What Prometheus tells at once is heard."""
        yield "Alertmanager", partial(self._launch, "Alertmanager", self.alerts_address, ALONE)
        # Else any site that somebody visits meanwhile may ask it.
        pages = f"--web.cors.origin={re.escape(self.address)}"
        yield "Prometheus", partial(self._launch, "Prometheus", self.address, (*KEEP, pages))

    def _launch(self, name: str, address: str, words: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        key = name.lower()
        common = [
            f"--config.file={key}.yml",
            f"--web.listen-address={address.removeprefix('http://')}",
            f"--web.external-url={address}",
        ]
        with self.log(key).open("ab") as log:
            return start_child(
                [program(name), *common, *words], env=ENVIRONMENT, cwd=self.folder / key, output=log
            )

    def wait_until_ready(self, alive: Callable[[], None]) -> None:
        """`alive` raises when one of them has ended."""
        deadline = time.monotonic() + READY_WITHIN_S
        for address in (self.alerts_address, self.address):
            while not _is_ready(address):
                alive()
                if time.monotonic() > deadline:
                    raise Failed(f"{address} is not ready after {READY_WITHIN_S:.0f} s.")
                time.sleep(LOOK_EVERY_S)

    def _prometheus(self) -> dict[str, Any]:
        jobs = {JOB: self.api_port, "prometheus": self.port, "alertmanager": self.alerts_port}
        return {
            "global": {"scrape_interval": self.every, "evaluation_interval": self.every},
            "rule_files": [f"rules/{name}.yaml" for name in RULES],
            "alerting": {"alertmanagers": [_at(self.alerts_port)]},
            "scrape_configs": [{"job_name": job, **_at(port)} for job, port in jobs.items()],
        }

    @staticmethod
    def _alertmanager() -> dict[str, Any]:
        """Nobody is told: who looks sees them."""
        return {
            "route": {"receiver": "nobody", "group_by": ["alertname", "namespace"]},
            "receivers": [{"name": "nobody"}],
        }


def _at(port: int) -> dict[str, Any]:
    return {"static_configs": [{"targets": [f"{HOST}:{port}"]}]}


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
