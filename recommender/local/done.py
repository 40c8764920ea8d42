"""Which steps are done, and with what: one is skipped only while its inputs and the database are the same."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, text


class Done:
    def __init__(self, file: Path) -> None:
        self._file = file

    def once(self, step: str, key: str, work: Callable[[], object]) -> bool:
        """False when it was done before, with the same key."""
        if self.holds(step, key):
            return False
        work()
        self._file.write_text(json.dumps(self._kept() | {step: key}, indent=2))
        return True

    def holds(self, step: str, key: str) -> bool:
        return self._kept().get(step) == key

    def forget(self, step: str) -> None:
        self._file.write_text(json.dumps({k: v for k, v in self._kept().items() if k != step}, indent=2))

    def _kept(self) -> dict[str, str]:
        try:
            kept = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}


def digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def database_id(admin: Engine) -> str:
    """Another database, or the same one made anew, has another."""
    query = "SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database())"
    with admin.connect() as connection:
        return ".".join(map(str, connection.execute(text(f"{query} FROM pg_control_system()")).one()))
