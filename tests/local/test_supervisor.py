import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recommender.local import running
from recommender.local.commands import _join, follow
from recommender.local.places import Parts, Places

# A platform of one child that sleeps; the argument says how its second step goes.
PLATFORM = """
import subprocess, sys
from functools import partial
from pathlib import Path
from recommender.errors import Failed
from recommender.local import running
from recommender.local.places import Places
from recommender.local.process import start_child
from recommender.local.service import Service
from recommender.local.supervisor import supervise

folder, way = Path(sys.argv[1]), sys.argv[2]

class Sleeper:
    def __init__(self, report):
        self.report = report
        record = partial(running.record, folder / ".marquee")
        self.services = [Service("Sleeper", self.sleep, record)]

    def sleep(self):
        return start_child(["/bin/sleep", "600"], output=subprocess.DEVNULL)

    def steps(self):
        return [("start a sleeper", self.services[0].start), ("go on", self.go_on)]

    def go_on(self):
        self.report.note("going on")
        (folder / "ratings.csv").touch()
        if way == "failing":
            raise Failed("There is no way.")
        if way == "broken":
            raise ZeroDivisionError
        if way == "waiting":
            sys.stdin.read()

    def closing(self):
        return "The end of the beginning."

    def stop(self):
        self.services[0].stop()

sys.exit(supervise(Places(folder), Sleeper))
"""
Child = subprocess.Popen[bytes]


@contextmanager
def supervisor(places: Places, way: str) -> Iterator[Child]:
    command = [sys.executable, "-c", PLATFORM, str(places.project), way]
    with places.log("supervisor").open("wb") as log:
        supervisor = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    with supervisor:
        yield supervisor
        supervisor.kill()
    running.end_children(places.state)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def lives(supervisor: Child) -> Callable[[], bool]:
    return lambda: supervisor.poll() is None


def sleeper(places: Places) -> int:
    (pid,) = running.children(places.state)
    return pid


def test_following_ends_with_the_closing_text_and_leaves_it_running(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    with supervisor(places, "good") as process:
        assert follow(places, lives(process)) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("[1/2] start a sleeper ... ")
        assert "[2/2] go on ... going on, 0.0 s\n" in shown
        assert shown.endswith("The end of the beginning.\n")
        assert places.ready.read_text() == "The end of the beginning.\n"
        assert running.holder(places.state) == process.pid
        assert (places.project / "ratings.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("way", "sentence"),
    [("failing", "There is no way."), ("broken", "This should not happen: ZeroDivisionError()")],
)
def test_a_failed_step_ends_everything_with_its_sentence(
    places: Places, capsys: pytest.CaptureFixture[str], way: str, sentence: str
) -> None:
    with supervisor(places, way) as process:
        assert follow(places, lives(process)) == 1
        assert process.wait(10) == 1
    assert capsys.readouterr().out.endswith(f"{sentence}\n")
    assert places.failed.read_text() == f"{sentence}\n"
    assert running.children(places.state) == {}


def test_its_children_end_within_five_seconds_of_its_kill(
    places: Places, ends: Callable[[int, float], bool]
) -> None:
    with supervisor(places, "good") as process:
        follow(places, lives(process))
        child = sleeper(places)
        process.kill()
        assert ends(child, 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_end_it_leaves_no_process_and_nothing_that_says_ready(
    places: Places, number: signal.Signals
) -> None:
    with supervisor(places, "good") as process:
        follow(places, lives(process))
        process.send_signal(number)
        assert process.wait(10) == 0
    assert running.children(places.state) == {}
    assert not places.ready.exists()


def test_it_can_be_ended_in_the_middle_of_a_step(places: Places) -> None:
    with supervisor(places, "waiting") as process:
        while not running.children(places.state):
            assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 0
    assert running.children(places.state) == {}


def test_a_dead_child_is_replaced(places: Places) -> None:
    with supervisor(places, "good") as process:
        follow(places, lives(process))
        dead = sleeper(places)
        os.kill(dead, signal.SIGKILL)
        while list(running.children(places.state)) in ([], [dead]):
            assert process.poll() is None
        assert "Sleeper was ended by SIGKILL" in places.log("supervisor").read_text()


def test_a_second_one_leaves_the_first_alone(places: Places) -> None:
    with supervisor(places, "good") as process:
        follow(places, lives(process))
        command = [sys.executable, "-c", PLATFORM, str(places.project), "good"]
        second = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        assert (second.returncode, second.stdout) == (1, "Marquee is already running.\n")
        assert running.holder(places.state) == process.pid
        assert places.ready.exists()


def test_who_asks_one_that_runs_for_monitoring_learns_at_the_end_whether_it_is_there(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    with supervisor(places, "good") as process:
        follow(places, lives(process))
        for service, there in (("Sleeper", False), ("Prometheus", True)):
            running.record(places.state, service, sleeper(places))
            capsys.readouterr()
            assert _join(places, Parts(monitoring=True)) == 0
            told = capsys.readouterr().out.partition("The end of the beginning.\n")[2]
            assert told.startswith("It was started without --monitoring") is not there


def test_a_supervisor_that_dies_without_a_word_ends_the_following(places: Places) -> None:
    places.log("supervisor").write_text("half a step ...")
    assert follow(places, lambda: False) == 1
