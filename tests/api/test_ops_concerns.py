"""What the page says needs a look: each sentence is said when it is so, and not when it is not."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from promql_parser import BinaryExpr, NumberLiteral

from api import concerns as bounds
from api.concerns import ENOUGH, MUCH, SOME, concerns, strength
from api.traffic import UNAWAITED
from recommender.learning import drift
from tests.dashboards import promql
from tests.dashboards.rules import FOLDER, alerts, records

NOW = 1_800_000_000.0
DAY = 86400
Change = Callable[[Any], object]


def well() -> Any:
    """An install of which there is nothing to say."""
    return {
        "now": NOW,
        "health": {"missing": [], "champion": "c"},
        "traffic": {
            "whole": {
                **{"all": 1500, "failed": 1, "awaited": 1000, "slow": 10},
                **{"model": 150, "preferences": 20, "popular": 30, "no_model": 0, "database_away": 10},
                **{"log_lost": 0, "background_failures": 2},
            }
        },
        "figures": {"read_at": NOW - 20, "troubled": False},
        "refusals": 1,
        "trained": NOW - DAY,
        "newest": {"loaded": NOW - 1.5 * DAY, "lists": NOW - 2.5 * DAY},
        "days": [
            {"day": "2027-01-14", "read": 200, "rejected": 200, "finished_at": None},
            {"day": "2027-01-13", "read": 5000, "rejected": 200, "finished_at": NOW - DAY},
        ],
        "drift": [
            {"measure": "genres", "verdict": "some", "day": "2027-01-13", "version": "c"},
            {"measure": "length", "verdict": "much", "day": "2027-01-13", "version": "before c"},
            {"measure": "stars", "verdict": "too few", "day": "2027-01-13", "version": "c"},
            {"measure": "taste 9", "verdict": "much", "day": "2027-01-12", "version": "c"},
        ],
        "jobs": [
            {"verb": "load", "outcome": "skipped", "finished_at": NOW - 3600},
            {"verb": "fetch", "outcome": "failed", "finished_at": NOW - 3600},
        ],
        "database": {"bytes": 70, "limit": 100},
    }


def said(told: Any) -> list[str]:
    return [concern.sentence for concern in concerns(told)]


def test_of_what_is_well_nothing_is_said() -> None:
    assert said(well()) == []


@pytest.mark.parametrize(
    ("change", "word", "runbook"),
    [
        (
            lambda t: t["health"]["missing"].append("The database does not answer."),
            "answer",
            "MarqueeDatabaseAway",
        ),
        (lambda t: t["traffic"]["whole"].update(failed=2), "2 of 1,500", "MarqueeErrorsBurnSlow"),
        (lambda t: t["traffic"]["whole"].update(slow=11), "11 of 1,000", "MarqueeLatencyBurnSlow"),
        (lambda t: t["traffic"]["whole"].update(no_model=1), "11 of 200 lists", "MarqueeFallbacks"),
        (lambda t: t["traffic"]["whole"].update(log_lost=7), "7 rows", "MarqueeServedLogLost"),
        (lambda t: t["traffic"]["whole"].update(background_failures=3), "3 errors", "MarqueeBackgroundFails"),
        (lambda t: t["figures"].update(read_at=None, troubled=True), "not known", "MarqueeFiguresAbsent"),
        (lambda t: t["figures"].update(read_at=NOW - 301), "old", "MarqueeFiguresStale"),
        (lambda t: t.update(refusals=2), "last 2 models", "MarqueeGateRefusedTwice"),
        (lambda t: t.update(trained=NOW - 8 * DAY), "8 days ago", "MarqueeModelStale"),
        (lambda t: t["newest"].update(loaded=NOW - 3 * DAY), "newest day is 2027-01-12", "MarqueeDayMissing"),
        (lambda t: t["newest"].update(lists=NOW - 3 * DAY), "lists are of 2027-01-12", "MarqueeListsMissing"),
        (lambda t: t["days"][1].update(rejected=300), "6% of the rows of 2027-01-13", "MarqueeRejectsHigh"),
        (lambda t: t["drift"][0].update(verdict="much"), "genres", "MarqueeDrift"),
        (lambda t: t["jobs"][0].update(outcome="failed"), "load", "MarqueeJobFailed"),
        (lambda t: t["database"].update(bytes=81), "81% full", "MarqueeDatabaseFull"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_needs_a_look_is_said_with_its_runbook(change: Change, word: str, runbook: str) -> None:
    told = well()
    change(told)
    (concern,) = concerns(told)
    assert (word in concern.sentence, concern.runbook) == (True, runbook)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(traffic=None),
        lambda t: t["traffic"]["whole"].update(all=0, failed=0, slow=0),
        lambda t: t["traffic"]["whole"].update(awaited=20, slow=9),
        lambda t: t["traffic"]["whole"].update(model=0, popular=9, database_away=0, no_model=9),
        lambda t: (t["traffic"]["whole"].update(no_model=99), t["health"].update(champion=None)),
        lambda t: t["figures"].update(read_at=None),
        lambda t: t.update(refusals=None, trained=None, days=None, drift=None, jobs=None),
        lambda t: t["newest"].update(loaded=None),
        lambda t: t["newest"].update(loaded=NOW - 400 * DAY, lists=NOW - 400 * DAY),
        lambda t: (t["newest"].update(lists=NOW - 3 * DAY), t["jobs"][0].update(verb="recommend-all")),
        lambda t: t["days"][1].update(read=50, rejected=50),
        lambda t: t.update(days=[], drift=[], jobs=[]),
        lambda t: t["jobs"][0].update(outcome="failed", finished_at=NOW - 3 * DAY),
        lambda t: t["database"].update(bytes=999, limit=None),
        lambda t: t["database"].update(bytes=None),
    ],
)
def test_what_is_not_known_or_long_over_is_not_said(change: Change) -> None:
    told = well()
    change(told)
    assert said(told) == []


def test_drift_is_called_what_the_verb_calls_it() -> None:
    assert (SOME, MUCH, ENOUGH) == (drift.SOME, drift.MUCH, drift.ENOUGH)
    found = [strength(psi, ENOUGH) for psi in (0.09, 0.1, 0.24, 0.25)]
    assert found == ["none", "some", "some", "much"]
    assert strength(9.0, ENOUGH - 1) == "too few"


def numbers(tree: Any) -> Iterator[float]:
    """Written in an expression, and products of two."""
    yield from (one.val for one in promql.nodes(tree, NumberLiteral))
    for one in promql.nodes(tree, BinaryExpr):
        if isinstance(one.lhs, NumberLiteral) and isinstance(one.rhs, NumberLiteral):
            yield one.lhs.val * one.rhs.val


@pytest.mark.parametrize(
    ("alert", "meant"),
    [
        ("MarqueeErrorsBurnSlow", {bounds.ERRORS}),
        ("MarqueeLatencyBurnSlow", {bounds.SLOW, bounds.LEAST}),
        ("MarqueeFallbacks", {bounds.FALLBACKS, bounds.LEAST}),
        ("MarqueeBackgroundFails", {bounds.FAILURES}),
        ("MarqueeFiguresStale", {bounds.STALE_S}),
        ("MarqueeGateRefusedTwice", {bounds.REFUSALS}),
        ("MarqueeModelStale", {bounds.MODEL_LATE_S}),
        ("MarqueeDayMissing", {bounds.DAY_LATE_S, bounds.FORGOTTEN_S}),
        ("MarqueeListsMissing", {bounds.LISTS_LATE_S, bounds.FORGOTTEN_S}),
        ("MarqueeRejectsHigh", {bounds.REJECTS, bounds.REJECTED}),
        ("MarqueeDrift", {bounds.MUCH, bounds.ENOUGH}),
        ("MarqueeJobFailed", {bounds.FAILED_S}),
        ("MarqueeDatabaseFull", {bounds.FULL}),
    ],
)
def test_the_page_and_the_alert_have_the_same_bounds(alert: str, meant: set[float]) -> None:
    assert any(meant <= set(numbers(rule.tree)) for rule in alerts() if rule.name == alert)


def test_the_page_and_the_alert_have_the_same_jobs() -> None:
    (rule,) = [rule for rule in alerts() if rule.name == "MarqueeJobFailed"]
    (verbs,) = {value for _, label, value in promql.matchers(rule.tree) if label == "verb"}
    assert {*verbs.split("|")} == {*bounds.NIGHT}


def test_the_page_and_the_alert_leave_the_same_requests_out_of_the_latency() -> None:
    trees = [rule.tree for rule in records() if rule.name.startswith("marquee:latency:")]
    left_out = {value for tree in trees for _, label, value in promql.matchers(tree) if label == "handler"}
    assert left_out == {UNAWAITED}


def test_every_runbook_that_the_page_names_is_there() -> None:
    named = set(re.findall(r'"(Marquee[A-Z]\w+)"', Path(bounds.__file__).read_text(encoding="utf-8")))
    assert len(named) > 10
    assert [name for name in named if not (FOLDER / "runbooks" / f"{name}.md").is_file()] == []
