"""What goes wrong, done on purpose: the alert fires in Prometheus, reaches Alertmanager, and resolves after.

On a terminal, with the story of each: ./setup.sh test --full tests/drills
"""

import signal
from collections.abc import Callable

import pytest

from recommender.local.postgres import Server
from tests.drills.platform import Platform, today, yesterday
from tests.drills.watching import Watch

pytestmark = pytest.mark.full
Begin = Callable[[int], tuple[Platform, Watch]]


def test_the_api_is_killed(drill: Begin) -> None:
    platform, watch = drill(60)
    watch.silent("MarqueeDown")
    platform.tell("the only process of the API is killed")
    platform.end(signal.SIGKILL)
    watch.fires("MarqueeDown")
    platform.tell("it is started again")
    platform.start()
    watch.resolves("MarqueeDown")


def test_the_database_is_away(drill: Begin, postgres: Server) -> None:
    platform, watch = drill(60)
    watch.silent("MarqueeDatabaseAway")
    platform.tell("Postgres is stopped")
    postgres.stop()
    watch.fires("MarqueeDatabaseAway")
    platform.tell("Postgres is started again")
    postgres.start()
    watch.resolves("MarqueeDatabaseAway")


def test_viewers_get_errors(drill: Begin, postgres: Server) -> None:
    """Who is known by a name only cannot be answered without Postgres."""
    platform, watch = drill(60)
    with platform.viewer() as ask:
        watch.silent("MarqueeErrorsBurnFast", meanwhile=ask)
        platform.tell("Postgres is stopped, and viewers go on asking")
        postgres.stop()
        watch.fires("MarqueeErrorsBurnFast", meanwhile=ask)
        platform.tell("Postgres is started again, and viewers go on asking")
        postgres.start()
        watch.resolves("MarqueeErrorsBurnFast", "MarqueeDatabaseAway", meanwhile=ask)


def test_a_corrupt_model_is_published(drill: Begin) -> None:
    platform, watch = drill(60)
    watch.silent("MarqueeModelLoadFails")
    platform.tell("a model whose files are damaged is made the champion")
    damaged = platform.publish_damaged()
    watch.fires("MarqueeModelLoadFails")
    assert platform.metric("marquee_model_loaded") == 1, "the one before goes on serving"
    platform.verb("rollback", "--reason", f"{damaged} is damaged")
    watch.resolves("MarqueeModelLoadFails")


def test_a_day_is_missing(drill: Begin) -> None:
    platform, watch = drill(120)  # it has an hour of patience
    watch.silent("MarqueeDayMissing")
    platform.tell("three days go by on which nobody sends anything")
    platform.age(days=3)
    watch.fires("MarqueeDayMissing")
    platform.send(yesterday(), first=1001)
    platform.load(yesterday())
    watch.resolves("MarqueeDayMissing")


def test_a_day_of_which_a_third_is_refused(drill: Begin) -> None:
    platform, watch = drill(60)
    watch.silent("MarqueeRejectsHigh")
    platform.send(today(), first=1001, faults=0.3)
    platform.verb("fetch", "--day", str(today()))
    platform.verb("process", "--day", str(today()), ends_with=1)
    platform.verb("process", "--day", str(today()), "--force", "most of it is good")
    platform.verb("load", "--day", str(today()))
    watch.fires("MarqueeRejectsHigh")
    platform.tell("the client sends the day again, mended")
    platform.send(today(), first=1001)
    platform.load(today(), "--force", "mended by the client")
    watch.resolves("MarqueeRejectsHigh")


def test_tastes_shift(drill: Begin) -> None:
    platform, watch = drill(60)
    watch.silent("MarqueeDrift")
    platform.send(today(), first=1001, viewers=1200, shift=0.6)
    platform.load(today())
    assert "much drift" in platform.verb("drift", "--day", str(today()))
    watch.fires("MarqueeDrift")
    platform.tell("the next model learns from them")
    platform.learn(today(), "--force", "tastes have moved")
    assert "much drift" not in platform.verb("drift", "--day", str(today()))
    watch.resolves("MarqueeDrift")


def test_the_gate_refuses_twice(drill: Begin) -> None:
    """Nothing can be learned from ratings that are somebody else's, and what was known is lost among them."""
    platform, watch = drill(60)
    watch.silent("MarqueeGateRefusedTwice")
    for first in (1001, 5001):
        platform.send(today(), first, viewers=3000)
        platform.mix_up(today())
        platform.load(today(), "--force", "more of the same")
        platform.verb("train", "--day", str(today()))
        platform.verb("evaluate")
        platform.verb("publish", ends_with=99)
    watch.fires("MarqueeGateRefusedTwice")
    platform.tell("the client sends rows that are whole again")
    platform.send(today(), first=9001, viewers=3000)
    platform.load(today(), "--force", "whole again")
    platform.learn(today(), "--force", "no worse than the champion but for coverage")
    watch.resolves("MarqueeGateRefusedTwice")
