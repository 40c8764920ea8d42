import os
import subprocess
import sys
from collections.abc import Iterator
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


def test_a_later_user_of_a_recorded_id_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / running.CHILDREN).write_text(f"{os.getpid()} 1 The API\n")
    assert running.children(tmp_path) == {}
