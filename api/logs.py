"""How a record becomes a line, JSON for machines or words for a terminal; there a stack stands below it.

Whoever wrote a text, no character of it can end a line, begin another or move a cursor.
"""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from api.asked import CURRENT
from api.unforeseen import LONGEST, told

Form = Literal["json", "line"]
OURS = "marquee"
log = logging.getLogger("marquee.api")


def open_logs(form: Form) -> None:
    """For the whole process, the libraries and Python's own warnings too."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    handler.addFilter(_fit)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _last_words


def _fit(record: logging.LogRecord) -> bool:
    """What libraries say below a warning is left out at any level: some of it is rows and bodies."""
    return _ours(record) or record.levelno >= logging.WARNING


def _ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == OURS


def _last_words(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    log.critical("the process ends after an error nobody foresaw", exc_info=error)


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **_fields(record),
        }
        if stack := _stack(record):
            line["stack"] = stack
        return json.dumps(line)  # ASCII: control characters and what ends a line elsewhere are escaped


class Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        words = [_message(record), *(f"{name}={value}" for name, value in _fields(record).items())]
        line = f"{_time(record)} {record.levelname} {record.name}: {' '.join(words)}"
        below = (f"\n    {_visible(frame)}" for frame in _stack(record).splitlines())
        return _visible(line) + "".join(below)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _message(record: logging.LogRecord) -> str:
    """Of others only the first line, since asyncio and warnings repeat values in those below."""
    text = record.getMessage().strip()
    return text if _ours(record) else text.partition("\n")[0][:LONGEST]


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Those of the record, after the request that was being answered when it was made."""
    asked = CURRENT.get()
    return (asked.names() if asked else {}) | getattr(record, "fields", {})


def _stack(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return told(error) if error else ""


def _visible(text: str) -> str:
    return text if text.isprintable() else "".join(_escaped(text))


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        yield character if character.isprintable() else character.encode("unicode_escape").decode()
