"""Where the platform of one machine keeps what it makes: everything below .marquee/ of the project."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from recommender.settings import DatabaseUrl, Refusing

PROJECT = Path(__file__).resolve().parent.parent.parent
LARGEST_LOG = 5_000_000


class LocalSettings(Refusing):
    """What a person may choose for ./setup.sh local."""

    database_url: DatabaseUrl | None = Field(
        None, repr=False, description="Another Postgres, as an administrator, instead of the embedded one."
    )
    marquee_port: int = Field(8000, ge=1, le=65535, description="The API's port on 127.0.0.1.")
    airflow_port: int = Field(8080, ge=1, le=65535, description="The port of Airflow's UI on 127.0.0.1.")
    prometheus_port: int = Field(19090, ge=1, le=65535, description="Prometheus' port on 127.0.0.1.")
    alertmanager_port: int = Field(19093, ge=1, le=65535, description="Alertmanager's port on 127.0.0.1.")


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs beside Postgres and the API."""

    airflow: bool = True
    monitoring: bool = False

    @property
    def words(self) -> list[str]:
        """As options of the command line."""
        return ["--no-airflow"] * (not self.airflow) + ["--monitoring"] * self.monitoring

    def ports(self, settings: LocalSettings) -> dict[str, int]:
        """By the variable that sets each."""
        used = {"MARQUEE_PORT": settings.marquee_port}
        if self.airflow:
            used["AIRFLOW_PORT"] = settings.airflow_port
        if self.monitoring:
            used["PROMETHEUS_PORT"] = settings.prometheus_port
            used["ALERTMANAGER_PORT"] = settings.alertmanager_port
        return used


@dataclass(frozen=True, slots=True)
class Places:
    project: Path = PROJECT

    @property
    def state(self) -> Path:
        return self.project / ".marquee"

    @property
    def starter(self) -> Path:
        return self.project / "recommender" / "starter"

    @property
    def postgres(self) -> Path:
        return self.state / "postgres"

    @property
    def models(self) -> Path:
        return self.state / "models"

    @property
    def data(self) -> Path:
        return self.state / "data"

    @property
    def backups(self) -> Path:
        return self.state / "backups"

    @property
    def dags(self) -> Path:
        return self.project / "dags"

    @property
    def rules(self) -> Path:
        return self.project / "dashboards" / "rules"

    @property
    def airflow(self) -> Path:
        return self.state / "airflow"

    @property
    def airflow_environment(self) -> Path:
        return self.state / "env-airflow"

    @property
    def airflow_password(self) -> Path:
        return self.state / "airflow-password"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets.json"

    @property
    def database_url(self) -> Path:
        """There when another Postgres than the embedded one is used."""
        return self.state / "database-url"

    @property
    def demo_password(self) -> Path:
        return self.state / "demo-password"

    @property
    def done(self) -> Path:
        return self.state / "done.json"

    @property
    def ready(self) -> Path:
        """There while the platform runs; holds the closing text."""
        return self.state / "ready.txt"

    @property
    def failed(self) -> Path:
        """There after a start that failed; holds the sentence."""
        return self.state / "failed.txt"

    def log(self, name: str) -> Path:
        folder = self.state / "log"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    def fresh_log(self, name: str) -> Path:
        """The log of a process that starts now: one that has grown large is put aside, over an older one."""
        log = self.log(name)
        if log.exists() and log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        return log
