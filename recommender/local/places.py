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
