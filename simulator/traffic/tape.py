"""What was asked and answered, a JSON object a line; a login is on no tape, and neither is a token."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from simulator.errors import SimulatorError


@dataclass(frozen=True, slots=True)
class Exchange:
    at: float  # seconds after the start
    client: int
    method: str
    path: str
    body: Mapping[str, Any]
    status: int  # 0: no answer
    ms: float
    answer: Mapping[str, Any]

    def line(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"


class Tape:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, exchange: Exchange) -> None:
        """At once, so that a run that is ended keeps its tape."""
        self._file.write(exchange.line())
        self._file.flush()


def read_tape(path: Path) -> Iterator[Exchange]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _read(line, f"{path.name}, line {number}")
    except OSError as error:
        raise SimulatorError(f"{path}: {error.strerror}.") from error


def _read(line: str, where: str) -> Exchange:
    try:
        return Exchange(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise SimulatorError(f"{where} is no line of a tape: {error}.") from error
