import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def ends() -> Callable[[int, float], bool]:
    """Whether a process that is not a child of ours ends within so many seconds."""

    def ends(pid: int, within_s: float) -> bool:
        descriptor = os.pidfd_open(pid)
        try:
            return bool(select.select([descriptor], [], [], within_s)[0])
        finally:
            os.close(descriptor)

    return ends


def processes_of(clone: Path) -> Iterator[Path]:
    """By their words, their folder or their settings: Airflow's write over the first and the last."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            told = (place / "cmdline").read_bytes() + os.fsencode((place / "cwd").readlink())
            if (
                os.fsencode(clone) in told + (place / "environ").read_bytes()
                and int(place.name) != os.getpid()
            ):
                yield place
        except OSError:  # gone meanwhile
            continue
