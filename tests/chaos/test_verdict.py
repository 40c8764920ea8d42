"""The verdict is a bad one for each thing that must not happen, and a good one for what may."""

import numpy as np
import pytest

from tests.chaos.faults import Episode
from tests.chaos.night import Ran
from tests.chaos.soak import FLAT, Held, slope
from tests.chaos.verdict import RECOVERY_S, Shown, judged
from tests.chaos.writers import Event

STOPPED = Episode("postgres killed", 10.0, 14.0, database=True)
KILLED = Episode("api killed", 30.0, 33.0, api=1)


def stored(at: float, api: int = 0, took: float = 0.01) -> Event:
    return Event(at - took, at, api, "rate", 200, True)


def refused(at: float, status: int = 503, api: int = 0) -> Event:
    return Event(at - 0.01, at, api, "rate", status, False)


def steady() -> list[Event]:
    """A write a second at each process, but for those that no process could answer."""
    return [stored(at, api) for at in range(60) for api in (0, 1) if not 10 <= at <= 14]


def wrong(
    *events: Event, episodes: tuple[Episode, ...] = (STOPPED, KILLED), ran: tuple[Ran, ...] = ()
) -> list[str]:
    shown = Shown([*steady(), *events], episodes, ran, apis=2)
    return judged(shown, [], {}).wrong


def test_what_a_fault_explains_is_not_wrong() -> None:
    unstored = Event(12.0, 12.1, 0, "new", 200, False)
    gone = Event(20.0, 20.1, 0, "delete", 404, False)
    verb = Ran(9.0, 11.0, "load", 1, "marquee: the database does not answer")
    events = (refused(11), refused(14 + RECOVERY_S - 0.1), unstored, gone, refused(31, 0, api=1))
    assert wrong(*events, ran=(verb,)) == []


@pytest.mark.parametrize(
    "event",
    [
        refused(11, 500),
        refused(11, 404),
        refused(11, 0),
        refused(45),
        refused(31, api=1),
        refused(31, 0, api=0),
        Event(45.0, 45.1, 0, "new", 200, False),
    ],
)
def test_what_no_fault_explains_is_wrong(event: Event) -> None:
    assert len(wrong(event)) == 1


def test_a_request_that_hangs_is_wrong_whatever_its_answer() -> None:
    assert len(wrong(stored(58, took=25))) == 1


def test_a_process_that_recovers_late_is_wrong() -> None:
    silent = [event for event in steady() if event.api == 0 or not 10 <= event.ended <= 25]
    (line,) = judged(Shown(silent, (STOPPED,), (), apis=2), [], {}).wrong
    assert "12.0 s" in line


def test_a_verb_that_fails_for_no_reason_or_with_a_traceback_is_wrong() -> None:
    assert len(wrong(ran=(Ran(20.0, 21.0, "load", 1, "marquee: no"),))) == 1
    assert len(wrong(ran=(Ran(11.0, 12.0, "load", 1, "Traceback (most recent call last)"),))) == 1


def test_memory_that_grows_is_told_from_memory_that_wavers() -> None:
    times, rng = np.arange(0, 1800, 2.0), np.random.default_rng(7)
    wavering = 150e6 + rng.normal(0, 2e5, len(times))
    assert slope(times, wavering).flat
    assert not slope(times, wavering + times / 3600 * 3 * FLAT * 2**20).flat


def test_what_processes_hold_when_nobody_asks_may_be_connections_that_the_pool_keeps_and_no_more() -> None:
    before = Held(10, 20, 0, (20, 20))
    assert not before.leaks(Held(11, 20, 0, (21, 20)))
    assert not before.leaks(Held(18, 20, 0, (24, 24)))
    assert before.leaks(Held(10, 20, 0, (20, 30)))
    assert before.leaks(Held(18, 20, 0, (33, 20)))
    assert before.leaks(Held(21, 20, 0, (20, 20)))
    assert before.leaks(Held(10, 20, 1, (20, 20)))
