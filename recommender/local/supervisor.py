"""One process that starts everything, keeps it running and ends it. Its children end when it does."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, Protocol, TextIO

from recommender.errors import MarqueeError
from recommender.local import running
from recommender.local.places import Places
from recommender.local.report import Report
from recommender.local.service import Service, Watch

ENDED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_EVERY_S = 0.5


class Stopped(BaseException):
    """Somebody asked us to end."""


class Platform(Protocol):
    @property
    def services(self) -> list[Service]: ...

    def steps(self) -> list[tuple[str, Callable[[], None]]]: ...
    def closing(self) -> str: ...
    def stop(self) -> None: ...


def supervise(places: Places, make_platform: Callable[[Report], Platform], out: TextIO = sys.stdout) -> int:
    """Returns the process's status, when the platform has ended."""
    places.state.mkdir(exist_ok=True)
    os.umask(0o077)  # what its processes write is about people
    lock = running.hold(places.state)
    if lock is None:
        out.write("Marquee is already running.\n")
        return 1
    with lock:
        forget_outcome(places)
        return _run(places, make_platform, Report(out))


def forget_outcome(places: Places) -> None:
    places.ready.unlink(missing_ok=True)
    places.failed.unlink(missing_ok=True)


def _run(places: Places, make_platform: Callable[[Report], Platform], report: Report) -> int:
    platform: Platform | None = None
    for number in ENDED_BY:
        signal.signal(number, _stop)
    try:
        platform = make_platform(report)
        _start(platform, places, report)
        _watch(platform, report)
    except Stopped:
        report.text("Stopping.")
        return 0
    except MarqueeError as error:
        return _fail(places, report, str(error))
    except Exception as error:  # noqa: BLE001 - the edge of the process: whoever follows must learn of it
        report.text(traceback.format_exc())
        return _fail(places, report, f"This should not happen: {error!r}")
    finally:
        for number in ENDED_BY:
            signal.signal(number, signal.SIG_IGN)
        if platform:
            platform.stop()
        places.ready.unlink(missing_ok=True)


def _start(platform: Platform, places: Places, report: Report) -> None:
    steps = platform.steps()
    for number, (title, work) in enumerate(steps, start=1):
        with report.step(f"[{number}/{len(steps)}] {title}"):
            work()
    text = platform.closing()
    report.text(f"\n{text}")
    unfinished = places.ready.with_suffix(".unfinished")
    unfinished.write_text(text + "\n")
    unfinished.replace(places.ready)


def _watch(platform: Platform, report: Report) -> NoReturn:
    watches = [Watch(service, report.text) for service in platform.services]
    while True:
        for watch in watches:
            watch.look(time.monotonic())
        time.sleep(LOOK_EVERY_S)


def _fail(places: Places, report: Report, sentence: str) -> int:
    report.text(sentence)
    places.failed.write_text(sentence + "\n")
    return 1


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in ENDED_BY:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped
