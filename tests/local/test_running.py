import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recommender.local import running

HOLDER = """
import sys
from pathlib import Path
from recommender.local import running
lock = running.hold(Path(sys.argv[1]))
print(bool(lock), flush=True)
sys.stdin.read()
"""
Child = subprocess.Popen[bytes]


def hold(state: Path) -> Child:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Child]:
    with hold(tmp_path) as child:
        assert child.stdout
        assert child.stdout.readline() == b"True\n"
        yield child
        child.kill()


def test_nobody_runs_where_nothing_was_started(tmp_path: Path) -> None:
    assert running.holder(tmp_path / "not there") is None
    assert running.children(tmp_path / "not there") == {}
    assert not running.end(tmp_path)


def test_the_holder_is_known_until_it_is_killed(tmp_path: Path, holder: Child) -> None:
    assert running.holder(tmp_path) == holder.pid
    holder.kill()
    holder.wait()
    assert running.holder(tmp_path) is None


def test_a_second_one_does_not_get_the_lock(tmp_path: Path, holder: Child) -> None:
    assert running.hold(tmp_path, within_s=0) is None
    assert running.holder(tmp_path) == holder.pid


def test_end_ends_the_holder_and_the_child_that_outlived_it(tmp_path: Path, holder: Child) -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as child:
        running.record(tmp_path, "The API", child.pid)
        assert running.children(tmp_path) == {child.pid: "The API"}
        assert running.end(tmp_path, within_s=0.1)
        assert child.wait(5) == -9
    assert holder.wait(5) == -15
    assert running.children(tmp_path) == {}


# A process in a group of its own, in the session of its parent: so Airflow's scheduler makes workers.
LEAVER = """
import subprocess, sys
print(subprocess.Popen(["/bin/sleep", "600"], process_group=0).pid, flush=True)
sys.stdin.read()
"""


def test_end_ends_what_a_dead_child_left_behind(tmp_path: Path, ends: Callable[[int, float], bool]) -> None:
    command = [sys.executable, "-c", LEAVER]
    with subprocess.Popen(
        command, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        left = int(child.stdout.readline())
        running.record(tmp_path, "The scheduler", child.pid)
        child.kill()
        child.wait()
        assert not ends(left, 0)
        running.end(tmp_path, within_s=0.1)
        assert ends(left, 5)


def test_a_later_user_of_a_recorded_id_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / running.CHILDREN).write_text(f"{os.getpid()} 1 The API\n")
    assert running.children(tmp_path) == {}
