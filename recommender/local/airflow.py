"""Airflow on this machine: four processes in an environment of its own, and their settings."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from recommender.errors import Failed
from recommender.local import verbs
from recommender.local.places import Places
from recommender.local.ports import HOST
from recommender.local.process import start_child
from recommender.local.secrets import write_private

ADMIN = "admin"
API = "Airflow's API"
# Two of them would serve logs to the whole network.
PROCESSES: Mapping[str, tuple[str, ...]] = {
    API: ("api-server",),
    "Airflow's scheduler": ("scheduler", "--skip-serve-logs"),
    "Airflow's DAG processor": ("dag-processor",),
    "Airflow's triggerer": ("triggerer", "--skip-serve-logs"),
}


class Airflow:
    def __init__(self, places: Places, port: int, secrets: Mapping[str, str]) -> None:
        self._places, self._port, self._secrets = places, port, secrets
        self._database_url = ""

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self._port}"

    def prepare(self, database_url: str) -> None:
        """setup.sh makes the environment."""
        self._database_url = database_url
        if not self._python.exists():
            raise Failed(
                f"There is no Airflow in {self._places.airflow_environment}: start with ./setup.sh local, "
                "or without Airflow: ./setup.sh local --no-airflow"
            )
        self._places.airflow.mkdir(exist_ok=True)
        password = self._secrets["airflow_admin"]
        write_private(self._passwords, json.dumps({ADMIN: password}))
        write_private(self._places.airflow_password, password)

    def command(self, *words: str) -> list[str | Path]:
        """Run by its Python: a script's first line does not carry every path."""
        return [self._python, self._python.with_name("airflow"), *words]

    def launch(self, name: str) -> "subprocess.Popen[bytes]":
        words = PROCESSES[name]
        with self._places.fresh_log(f"airflow-{words[0]}").open("ab") as log:
            return start_child(
                self.command(*words), env=self.environment(), cwd=self._places.airflow, output=log
            )

    def environment(self) -> dict[str, str]:
        """No secret of Marquee's: `marquee local run` finds those by itself."""
        theirs = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        theirs.pop("DATABASE_URL", None)
        ours = {f"AIRFLOW__{key}": value for key, value in self._settings().items()}
        home = {"AIRFLOW_HOME": str(self._places.airflow)}
        return {**theirs, **_without_proxy(), **ours, **home, **_steps()}

    def _settings(self) -> dict[str, str]:
        return {
            "API__HOST": HOST,
            "API__PORT": str(self._port),
            "API__SECRET_KEY": self._secrets["airflow_api"],
            "API_AUTH__JWT_SECRET": self._secrets["airflow_jwt"],
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__DAGS_FOLDER": str(self._places.dags),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__FERNET_KEY": self._secrets["airflow_fernet"],
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "4",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
            "DATABASE__SQL_ALCHEMY_CONN": self._database_url,
            "LOGGING__BASE_LOG_FOLDER": str(self._places.airflow / "logs"),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        }

    @property
    def _python(self) -> Path:
        return self._places.airflow_environment / "bin" / "python"

    @property
    def _passwords(self) -> Path:
        return self._places.airflow / "passwords.json"


def _without_proxy() -> dict[str, str]:
    """A task talks to the API server on this machine, whatever proxy leads out of it."""
    kept = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    return dict.fromkeys(("no_proxy", "NO_PROXY"), f"{kept},{HOST}" if kept else HOST)


def _steps() -> dict[str, str]:
    """What dags/steps.py reads."""
    return {
        "MARQUEE_COMMAND": shlex.join([*verbs.command("marquee"), "local", "run", "--ends-with-parent"]),
        "MARQUEE_RETRY_S": "5",
        "MARQUEE_RUNNER": "local",
        "MARQUEE_SHARDS": "2",
    }
