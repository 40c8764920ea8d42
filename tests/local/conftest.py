import os
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recommender.local.places import PROJECT

IN_A_CLONE = ("api", "dags", "dashboards", "migrations", "recommender", "requirements", "simulator")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone holds, below a folder of mode 0700 with a space in its name."""
    clone = tmp_path / "a fresh clone"
    clone.mkdir(mode=0o700)
    for name in IN_A_CLONE:
        shutil.copytree(PROJECT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.sh"):
        shutil.copy2(PROJECT / name, clone)
    return clone


def setup(clone: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clone / "setup.sh", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **environment},
    )


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
