"""Which processes are ours: who holds the lock, and whom it has started. Standard library only, because
`./setup.sh down` must work when the environment does not: python3 -I running.py STATE_FOLDER [--look]
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

LOCK, CHILDREN = "supervisor.lock", "children"


def hold(state: Path, within_s: float = 2) -> IO[str] | None:
    """The lock, for as long as the file stays open, or None when another process has it."""
    file = (state / LOCK).open("a+")
    deadline = time.monotonic() + within_s  # `holder` takes it for a moment
    while not _locked(file):
        if time.monotonic() > deadline:
            file.close()
            return None
        time.sleep(0.05)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    (state / CHILDREN).write_text("")
    return file


def holder(state: Path) -> int | None:
    """The supervisor's process id while it lives: the lock goes with the process, however it ends."""
    try:
        with (state / LOCK).open("r+") as file:
            return None if _locked(file) else int(file.read() or 0) or None
    except FileNotFoundError:
        return None


def record(state: Path, name: str, pid: int) -> None:
    with (state / CHILDREN).open("a") as file:
        file.write(f"{pid} {_started_at(pid)} {name}\n")


def children(state: Path) -> dict[int, str]:
    """Names of the recorded processes that still live; a later user of the id has another time of start."""
    return {pid: name for pid, start, name in _recorded(state) if _started_at(pid) == start}


def _recorded(state: Path) -> list[tuple[int, str, str]]:
    try:
        rows = [line.split(maxsplit=2) for line in (state / CHILDREN).read_text().splitlines()]
    except FileNotFoundError:
        return []
    return [(int(pid), start, name) for pid, start, name in rows]


def end(state: Path, within_s: float = 20) -> bool:
    """End the supervisor and its children; False when there was nothing to end."""
    supervisor = holder(state)
    if supervisor:
        start = _started_at(supervisor)
        _signal(supervisor, signal.SIGTERM)
        if not _wait(lambda: _started_at(supervisor) != start, within_s):
            _signal(supervisor, signal.SIGKILL)
    return end_children(state, within_s) or supervisor is not None


def end_children(state: Path, within_s: float = 20) -> bool:
    """Children of a supervisor that is gone end by themselves; after a while they are made to."""
    left = children(state)
    _wait(lambda: not children(state), within_s)
    for pid, start, _ in _recorded(state):
        if _started_at(pid) == start:
            _signal(pid, signal.SIGKILL)
        if _started_at(pid) in ("", start):
            end_session(pid)
    _wait(lambda: not children(state), 5)
    return bool(left)


def end_session(leader: int) -> None:
    """A child leads a session of its own, and may leave processes behind in it."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if _fields(stat)[3:4] == [str(leader)]:
            _signal(int(stat.parent.name), signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait(until: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not until():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _started_at(pid: int) -> str:
    """In the kernel's ticks since it booted; "" for a process that is gone, or dead and not yet collected."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return "" if not fields or fields[0] in "ZX" else fields[19]


def _fields(stat: Path) -> list[str]:
    """From the state on; none for a process that is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []


if __name__ == "__main__":
    if sys.argv[2:] == ["--look"]:
        sys.exit(holder(Path(sys.argv[1])) is None)
    sys.stdout.write("Marquee is stopped.\n" if end(Path(sys.argv[1])) else "Marquee was not running.\n")
