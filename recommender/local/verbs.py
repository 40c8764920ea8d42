"""Run a program to its end, as a person would by hand; what it says goes to its log and to the report."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from recommender.errors import Failed
from recommender.local.process import start_child

SHOWN_EVERY_S = 2.0
NOTHING_TO_DO = 99  # a verb's status, which Airflow shows as skipped


def command(name: str) -> list[str]:
    """A command of this environment, run by its Python: a script's first line does not carry every path."""
    return [sys.executable, str(Path(sys.executable).with_name(name))]


def run(
    program: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    show: Callable[[str], None],
) -> bool:
    """False when it said that there was nothing to do."""
    last, env = "", {**env, "PYTHONUNBUFFERED": "1"}  # so that its last line is the last that it said
    with (
        start_child(program, ends_by="KILL", env=env, cwd=cwd, output=subprocess.PIPE) as child,
        log.open("a") as file,
    ):
        try:
            for last in _lines(child):
                file.write(last + "\n")
                show(last)
        except BaseException:
            child.kill()
            raise
    if child.returncode not in (0, NOTHING_TO_DO):
        raise Failed(f"{last.removeprefix('marquee: ') or 'It said nothing.'} (more in {log})")
    return child.returncode == 0


def _lines(child: subprocess.Popen[bytes]) -> Iterator[str]:
    """Whole lines as they come; of a line that redraws itself, a bar, now and then a state."""
    assert child.stdout  # noqa: S101 - it was asked for
    shown, redrawn, rest = 0.0, False, b""
    while chunk := os.read(child.stdout.fileno(), 65_536):
        *parts, rest = re.split(rb"(?<=[\r\n])", rest + chunk)
        for part in parts:
            shown = shown if redrawn else time.monotonic()
            whole = not redrawn and part.endswith(b"\n")
            redrawn = part.endswith(b"\r")
            text = part.decode(errors="replace").strip()
            if text and (whole or time.monotonic() - shown > SHOWN_EVERY_S):
                shown = time.monotonic()
                yield text
    if text := rest.decode(errors="replace").strip():
        yield text
