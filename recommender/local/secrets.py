"""The secrets of one machine: made at random once, kept in one file that only its owner can read."""

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes, token_hex, token_urlsafe

from recommender.errors import Failed
from recommender.roles import ANALYST, ROLES

MAKERS: Mapping[str, Callable[[], str]] = {
    "postgres": token_urlsafe,
    **dict.fromkeys((*ROLES, ANALYST), token_urlsafe),
    "jwt_keys": lambda: f"{token_hex(4)}:{token_urlsafe(48)}",
    "tombstone_key": token_urlsafe,
    "demo": token_urlsafe,
    "airflow": token_urlsafe,
    "airflow_admin": token_urlsafe,
    "airflow_api": token_urlsafe,
    "airflow_jwt": lambda: token_urlsafe(64),
    "airflow_fernet": lambda: urlsafe_b64encode(token_bytes(32)).decode(),
}


def read_or_make(path: Path) -> dict[str, str]:
    """What is missing is made; what is there stays."""
    kept = _read(path)
    secrets = {name: kept.get(name) or make() for name, make in MAKERS.items()}
    if secrets != kept:
        write_private(path, json.dumps(secrets, indent=2))
    return secrets


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _read(path: Path) -> dict[str, str]:
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise Failed(
            f"{path} is damaged: bring back a copy, or delete it together with {path.parent}/postgres."
        )
    return kept
