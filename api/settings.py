"""The API's settings. A missing, weak or well-known secret refuses to start."""

import re
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from api.asked import Which
from api.logs import Form
from recommender.settings import DatabaseSettings, DeletionSettings, ModelSettings, is_guessable

Network = IPv4Network | IPv6Network
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
SIZE = re.compile(r"([1-9]\d{0,17})(?:([KMGTP]i)|([kMGTP]))?")  # as Kubernetes writes them


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    if not (size := SIZE.fullmatch(text.strip())):
        raise ValueError("is not a size like 20Gi or 50G.")
    power = "KMGTP".find((size[2] or size[3] or "?")[0].upper()) + 1
    factor: int = (1024 if size[2] else 1000) ** power
    return int(size[1]) * factor


Bytes = Annotated[int | None, BeforeValidator(_bytes)]


class ApiSettings(DatabaseSettings, ModelSettings, DeletionSettings):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    jwt_keys: SecretStr = Field(
        description="Keys of the tokens as id:secret, comma-separated. The first signs, all verify;"
        " a secret has at least 32 characters and no comma."
    )
    token_minutes: int = Field(60, ge=1, le=1440, description="Minutes until a token expires.")
    registration: Literal["open", "key", "closed"] = Field(
        "closed", description="Who may register a client: anybody, who knows REGISTRATION_KEY, or nobody."
    )
    registration_key: SecretStr | None = Field(
        None, description="The invitation key of REGISTRATION=key, at least 16 characters."
    )
    drain_s: float = Field(
        0, ge=0, le=300, description="Seconds that the process goes on answering after it is told to stop."
    )
    log_format: Form = Field("line", description="Form of the log: line for people, json for machines.")
    request_log: Which = Field(
        "errors", description="Requests that have a line: all, errors (5xx, broken off or slow) or none."
    )
    slow_ms: float = Field(
        250, gt=0, description="Milliseconds from which REQUEST_LOG=errors tells of a request."
    )
    docs: bool = Field(True, description="Whether /docs and /openapi.json are served.")
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of proxies whose X-Forwarded-For is believed, comma-separated.",
    )
    token_rate: int = Field(
        10, ge=1, description="Sign-ins a minute for each address and each username, in each process."
    )
    create_rate: int = Field(5, ge=1, description="Registrations a minute for each address, in each process.")
    client_rate: int = Field(
        200, ge=1, description="Requests a second for each client, in each process; twice as many at once."
    )
    body_limit: int = Field(1 << 20, ge=1024, description="Bytes that the body of a request may have.")
    db_pool: int = Field(10, ge=2, le=100, description="Connections to Postgres that a process keeps.")
    db_timeout_s: float = Field(
        3, gt=0, le=60, description="Seconds that Postgres has to answer one statement."
    )
    database_limit: Bytes = Field(
        None, description="Size that the database may have, like 20Gi; without one no alert knows it is full."
    )
    ops: bool = Field(True, description="Whether /ops is served to who asks from inside.")

    @field_validator("jwt_keys")
    @classmethod
    def _strong_keys(cls, value: SecretStr) -> SecretStr:
        keys = _pairs(value)
        if len({kid for kid, _ in keys}) < len(keys):
            raise ValueError("two keys have the same id.")
        for kid, secret in keys:
            if not KEY_ID.fullmatch(kid) or not secret:
                raise ValueError("each key is id:secret, the id of letters, digits, - and _.")
            if len(secret) < 32 or is_guessable(secret):
                raise ValueError(f"the secret of key {kid} is not 32 or more random characters.")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        _parse_networks(value)
        return value

    @model_validator(mode="after")
    def _invitation(self) -> Self:
        key = self.registration_key.get_secret_value() if self.registration_key else ""
        if self.registration == "key" and (len(key) < 16 or is_guessable(key)):
            raise ValueError("REGISTRATION=key wants a REGISTRATION_KEY of 16 or more random characters.")
        return self

    @cached_property
    def keys(self) -> dict[str, str]:
        """Secret by key id; the first one signs."""
        return dict(_pairs(self.jwt_keys))

    @cached_property
    def proxies(self) -> tuple[Network, ...]:
        return _parse_networks(self.trusted_proxies)


def _pairs(keys: SecretStr) -> list[tuple[str, str]]:
    parts = (part.strip().partition(":") for part in keys.get_secret_value().split(","))
    return [(kid, secret) for kid, _, secret in parts]


def _parse_networks(value: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
