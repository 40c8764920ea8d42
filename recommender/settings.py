"""Settings, read from the environment once a process. Each has a sentence; a bad one refuses to start."""

import re
import tempfile
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from recommender.errors import BadSettings


class Refusing(BaseSettings):
    """A group of settings that is read with `read()` and names the variable that is wrong."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    @classmethod
    def read(cls, **given: Any) -> Self:
        try:
            return cls(**given)
        except ValidationError as error:
            raise BadSettings("; ".join(_sentence(e["loc"], e["msg"]) for e in error.errors())) from None


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    name = str(where[0]).upper() if where else "settings"
    return f"{name}: {message.removeprefix('Value error, ')}"


def _postgres(value: str) -> str:
    """With the driver that we use, whatever a person wrote before the address."""
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("is not a URL like postgresql://user:password@host:5432/database") from None
    if url.drivername.partition("+")[0] not in ("postgres", "postgresql"):
        raise ValueError("names another kind of database than Postgres")
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


DatabaseUrl = Annotated[str, AfterValidator(_postgres)]
WELL_KNOWN = re.compile(r"change|default|example|insecure|password|secret|test|your", re.IGNORECASE)


def is_guessable(secret: str) -> bool:
    """What stands in examples starts with a word; anywhere else a word may be there by chance."""
    return len(set(secret)) < 8 or WELL_KNOWN.match(secret) is not None


def _random(shortest: int) -> AfterValidator:
    def check(value: SecretStr) -> SecretStr:
        if len(value) < shortest or is_guessable(value.get_secret_value()):
            raise ValueError(f"is not {shortest} or more random characters.")
        return value

    return AfterValidator(check)


Password = Annotated[SecretStr, _random(16)]


class DatabaseSettings(Refusing):
    database_url: DatabaseUrl = Field(
        repr=False, description="Postgres to connect to, as the role that this process needs."
    )


class ModelSettings(Refusing):
    models_url: str = Field(
        "models", description="Where model versions are kept: a folder, or s3://bucket/prefix."
    )
    model_cache: Path = Field(
        Path(tempfile.gettempdir()) / "marquee-models",
        description="Folder for models of a bucket, which are mapped into memory from there.",
    )


class DataSettings(Refusing):
    data_url: str = Field(
        "data", description="Where the files of the days are kept: a folder, or s3://bucket/prefix."
    )
    reject_limit: float = Field(
        0.2, ge=0, le=1, description="Share of a day's rows that may be refused before the day is stopped."
    )
    learn_users: int = Field(
        1_000_000,
        ge=1,
        description="Users of one client that are learned from; of more, those who came first.",
    )


class DeletionSettings(Refusing):
    tombstone_key: Annotated[SecretStr, _random(32)] = Field(
        description="Secret of the keyed hash that a deleted user leaves behind. Never change it."
    )


class BackupSettings(Refusing):
    backup_url: str = Field(
        "backups", description="Where backups of the database are kept: a folder, or s3://bucket/prefix."
    )
    backup_keep: int = Field(14, ge=1, description="Backups to keep; the oldest beyond them are deleted.")


class RolePasswords(Refusing):
    """Passwords that `marquee roles` gives the database roles."""

    owner_password: Password = Field(description="Password of marquee_owner, which migrates.")
    api_password: Password = Field(description="Password of marquee_api, which serves.")
    pipeline_password: Password = Field(description="Password of marquee_pipeline, which loads and trains.")
    analyst_password: Password | None = Field(
        None, description="Password of marquee_analyst, which reads views; without one nobody logs in as it."
    )
    backup_password: Password | None = Field(
        None, description="Password of marquee_backup, which pg_dump wants; without one it is not made."
    )
    airflow_password: Password | None = Field(
        None, description="Password of airflow; without one neither the role nor its database is made."
    )

    def by_role(self) -> dict[str, str]:
        """Of those that are given."""
        passwords = {
            "marquee_owner": self.owner_password,
            "marquee_api": self.api_password,
            "marquee_pipeline": self.pipeline_password,
            "marquee_analyst": self.analyst_password,
            "marquee_backup": self.backup_password,
            "airflow": self.airflow_password,
        }
        return {role: password.get_secret_value() for role, password in passwords.items() if password}
