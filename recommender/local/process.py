"""Our child processes: each in a session of its own, each ends when this process does."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from recommender.local.running import end_session

LAUNCHER = Path(__file__).with_name("child.py")


def start_child(
    program: Sequence[str | Path],
    *,
    ends_by: str = "TERM",
    user: str | None = None,
    reach: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    """Call it from the main thread: the kernel ends a child when the thread that made it ends."""
    rights = ["--user", user, *(f"--reach={path}" for path in reach)] if user else []
    return subprocess.Popen(
        ending_with(os.getpid(), program, ends_by, *rights),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def ending_with(parent: int, program: Sequence[str | Path], by: str, *rights: str) -> list[str | Path]:
    launcher: list[str | Path] = [
        sys.executable,
        "-I",
        "-S",
        LAUNCHER,
        "--parent",
        str(parent),
        "--signal",
        by,
        *rights,
    ]
    return [*launcher, "--", *program]


def stop_child(
    child: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM, within_s: float = 15
) -> None:
    """Ask, wait, then end its whole session; returns when the child is gone."""
    if child.poll() is None:
        child.send_signal(by)
    with suppress(subprocess.TimeoutExpired):
        child.wait(within_s)
    end_session(child.pid)
    child.wait()


def last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
