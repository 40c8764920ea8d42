import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recommender.local import child, process

Ends = Callable[[int, float], bool]
LAUNCHER = [
    sys.executable,
    "-I",
    "-S",
    str(process.LAUNCHER),
    "--parent",
    str(os.getpid()),
    "--signal",
    "KILL",
]
PARENT = """
import os, subprocess, sys
from recommender.local.process import start_child
sleeper = start_child(["/bin/sleep", "600"], ends_by=sys.argv[1], output=subprocess.DEVNULL)
print(sleeper.pid, flush=True)
sys.stdin.read()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.parametrize("signal", ["INT", "TERM", "KILL"])
def test_a_child_ends_within_five_seconds_of_its_killed_parent(signal: str, ends: Ends) -> None:
    command = [sys.executable, "-c", PARENT, signal]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not ends(pid, 0)
        parent.kill()
        assert ends(pid, 5)


def test_a_child_whose_parent_is_gone_does_not_begin() -> None:
    launcher = [*LAUNCHER[:-3], "1", "--signal", "KILL"]
    done = subprocess.run(
        [*launcher, "--", "/bin/echo", "began"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "The parent ended before its child began.\n"


def as_nobody(reach: Path, *, dropped: int | None = None) -> Iterator[str]:
    """What a child of ours says of itself when it runs as nobody."""

    def drop() -> None:
        if dropped is not None:
            child._prctl(PR_CAPBSET_DROP, dropped)

    command = [*LAUNCHER, "--user", "nobody", "--reach", str(reach), "--", "/bin/cat", "/proc/self/status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=drop)
    yield from (done.stdout + done.stderr).splitlines()


PR_CAPBSET_DROP = 24


def value(lines: Iterator[str], name: str) -> list[str]:
    return next(line for line in lines if line.startswith(f"{name}:")).split()[1:]


@as_root
def test_it_keeps_no_capability_when_every_folder_is_open() -> None:
    lines = list(as_nobody(Path("/usr/bin")))
    assert set(value(iter(lines), "Uid")) == {"65534"}
    assert int(value(iter(lines), "CapPrm")[0], 16) == 0


@as_root
def test_below_a_closed_folder_it_keeps_the_one_that_reads(closed: Path) -> None:
    lines = list(as_nobody(closed))
    assert set(value(iter(lines), "Uid")) == {"65534"}
    assert int(value(iter(lines), "CapEff")[0], 16) == 1 << child.DAC_READ_SEARCH


@as_root
def test_where_that_one_is_missing_it_keeps_the_other(closed: Path) -> None:
    lines = as_nobody(closed, dropped=child.DAC_READ_SEARCH)
    assert int(value(lines, "CapEff")[0], 16) == 1 << child.DAC_OVERRIDE


@as_root
def test_without_the_right_to_pass_it_names_the_closed_folder(closed: Path) -> None:
    (sentence,) = as_nobody(closed, dropped=child.SETPCAP)
    first = next(place for place in reversed([closed, *closed.parents]) if place.stat().st_mode & 0o001 == 0)
    assert sentence.startswith(f"{first} is closed to the user nobody")
    assert sentence.endswith(f"chmod o+x '{first}'")
