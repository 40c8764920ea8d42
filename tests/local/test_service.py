import subprocess
from collections.abc import Iterator

import pytest

from recommender.errors import Failed
from recommender.local.process import start_child
from recommender.local.service import CALM_S, Service, Watch

Child = subprocess.Popen[bytes]


@pytest.fixture
def service() -> Iterator[Service]:
    recorded: list[int] = []
    service = Service("Sleeper", sleep, lambda _, pid: recorded.append(pid))
    service.start()
    yield service
    service.stop()


def sleep() -> Child:
    return start_child(["/bin/sleep", "600"], output=subprocess.DEVNULL)


def kill(service: Service) -> int:
    assert service.child
    service.child.kill()
    service.child.wait()
    return service.child.pid


def test_a_dead_child_is_started_again_after_a_pause(service: Service) -> None:
    said: list[str] = []
    watch = Watch(service, said.append)
    dead = kill(service)
    watch.look(100)
    watch.look(100.9)
    assert service.ended
    watch.look(101)
    assert not service.ended
    assert service.child
    assert service.child.pid != dead
    assert said == [
        "Sleeper was ended by SIGKILL; it is started again in 1 s.",
        "Sleeper is started again.",
    ]


def test_the_pause_doubles_with_each_death_and_calm_forgets_them(service: Service) -> None:
    said: list[str] = []
    watch = Watch(service, said.append)
    now = 100.0
    for pause in (1, 2, 4):
        kill(service)
        watch.look(now)
        assert said[-1].endswith(f"in {pause} s.")
        now += pause
        watch.look(now)
    now += CALM_S + 1
    watch.look(now)
    kill(service)
    watch.look(now)
    assert said[-1].endswith("in 1 s.")


def test_a_child_that_cannot_be_started_is_tried_again(service: Service) -> None:
    said: list[str] = []
    watch = Watch(service, said.append)
    kill(service)
    watch.look(0)
    service.launch = refuse
    watch.look(1)
    assert said[-1] == "Sleeper did not start: no port; it is started again in 2 s."
    service.launch = sleep
    watch.look(3)
    assert not service.ended


def refuse() -> Child:
    raise Failed("no port")


def test_a_stopped_service_has_no_process(service: Service) -> None:
    child = service.child
    assert child
    service.stop()
    assert child.returncode is not None
