"""One test for each reason of refusal, each with a twin that passes."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from recommender.learning.gate import FEWEST, Champion, Compared, Evidence, Unshown, Verdict, in_words, judge

DAY = date(2026, 1, 31)
CASES = 200


def compared(difference: float, error: float = 0.01) -> Compared:
    return Compared(CASES, 0.3, 0.3 - difference, difference, error)


CHAMPION = Champion("c0ffee", DAY - timedelta(1), strong=compared(0.0), newest=compared(0.0), coverage=0.10)
GOOD = Evidence("ca11ed", DAY, CASES, None, compared(0.1), 0.10, CHAMPION)


def against(**changed: object) -> Evidence:
    return replace(GOOD, champion=replace(CHAMPION, **changed))  # type: ignore[arg-type]


def refused(evidence: Evidence, *parts: str) -> Verdict:
    """For one reason only, in which these stand."""
    verdict = judge(evidence)
    assert verdict.outcome == "refused"
    assert len(verdict.reasons) == 1, verdict.reasons
    for part in parts:
        assert part in verdict.reasons[0]
    return verdict


def passed(evidence: Evidence) -> Verdict:
    verdict = judge(evidence)
    assert verdict.outcome == "passed", verdict.reasons
    return verdict


def test_a_good_candidate_passes_and_says_with_which_numbers() -> None:
    verdict = passed(GOOD)
    assert verdict.reasons == (
        "NDCG@10 for 200 held-out users is 0.300, popularity's 0.200: "
        "+0.100 with a standard error of 0.010 is better beyond noise.",
        "NDCG@10 for 200 held-out users is 0.300, the champion's 0.300: "
        "+0.000 with a standard error of 0.010 is within noise.",
        "NDCG@10 for 200 users on the newest day is 0.300, the champion's 0.300: "
        "+0.000 with a standard error of 0.010 is within noise.",
        "Its lists hold 10.0% of the catalogue, the champion's 10.0%: not more than 20% of that is lost.",
    )


def test_not_above_popularity_beyond_noise_is_refused() -> None:
    refused(replace(GOOD, popularity=compared(0.02)), "popularity's 0.280: +0.020", "within noise")
    passed(replace(GOOD, popularity=compared(0.0201)))


def test_worse_than_the_champion_for_held_out_users_is_refused() -> None:
    refused(against(strong=compared(-0.0201)), "held-out users is 0.300", "champion's 0.320: -0.020")
    passed(against(strong=compared(-0.02)))


def test_worse_than_the_champion_on_the_newest_day_is_refused() -> None:
    refused(against(newest=compared(-0.05)), "newest day", "-0.050", "worse beyond noise")
    passed(against(newest=compared(-0.05, error=0.03)))


def test_to_lose_a_fifth_of_the_coverage_is_refused() -> None:
    refused(against(coverage=0.126), "10.0% of the catalogue, the champion's 12.6%", "more than 20%")
    passed(against(coverage=0.124))


def test_an_artifact_that_cannot_be_used_is_refused_whatever_else_was_measured() -> None:
    fault = "c0ffee/left.npy holds something else than finite float32"
    verdict = refused(replace(GOOD, fault=fault), fault)
    assert verdict.figures["usable"] is False
    assert passed(GOOD).figures["usable"] is True


def test_older_data_than_the_champion_are_refused() -> None:
    refused(against(day=DAY + timedelta(1)), "is of 2026-01-31", "champion's of 2026-02-01")
    passed(against(day=DAY))


def test_every_reason_is_given() -> None:
    evidence = replace(
        GOOD,
        popularity=compared(0.0),
        champion=Champion("c0ffee", DAY + timedelta(1), None, compared(-0.1), compared(-0.1), 0.5),
    )
    assert len(judge(evidence).reasons) == 5


def test_the_first_publish_is_compared_with_popularity_only() -> None:
    first = replace(GOOD, champion=None)
    assert "no champion yet" in passed(first).reasons[-1]
    refused(replace(first, popularity=compared(-0.1)), "popularity")


def test_a_champion_that_does_not_load_refuses_nobody() -> None:
    damaged = Champion("c0ffee", DAY - timedelta(1), fault="c0ffee/card.json cannot be read")
    assert "card.json cannot be read" in passed(replace(GOOD, champion=damaged)).reasons[-1]
    refused(replace(GOOD, champion=damaged, popularity=compared(0.0)), "popularity")


def test_a_newest_day_of_few_users_is_left_out_and_said() -> None:
    assert any("fewer than 50 users on the newest day" in r for r in passed(against(newest=None)).reasons)


def test_what_was_asked_about_is_said_where_lists_had_shown_something() -> None:
    found = replace(GOOD, strong_unshown=Unshown(180, 200), newest_unshown=Unshown(90, 120))
    verdict = passed(found)
    assert verdict.reasons[-2:] == (
        "Of 200 held-out users 180 liked enough that no list had shown to them: "
        "they are asked about that alone.",
        "Of 120 users on the newest day 90 liked enough that no list had shown to them: "
        "they are asked about that alone.",
    )
    assert verdict.figures["strong_unshown_left"] == 180 and verdict.figures["newest_unshown_users"] == 120
    refusal = judge(replace(found, popularity=compared(0.0)))
    assert refusal.outcome == "refused" and refusal.reasons[-2:] == verdict.reasons[-2:]


def test_where_too_little_was_not_shown_it_is_said_what_is_done_then() -> None:
    few = against(strong=None, newest=None)
    verdict = passed(replace(few, strong_unshown=Unshown(49, 200), newest_unshown=Unshown(3, 120)))
    assert verdict.reasons[-2:] == (
        "Of 200 held-out users only 49 liked enough that no list had shown to them: "
        "all are asked about everything, which says nothing of a champion whose lists they saw.",
        "Of 120 users on the newest day only 3 liked enough that no list had shown to them: "
        "fewer than 50 are not compared.",
    )


FEW = replace(GOOD, cases=12, popularity=None, coverage=0.01)


def test_too_few_held_out_users_leave_a_candidate_unjudged_and_say_so() -> None:
    verdict = judge(FEW)
    assert verdict.outcome == "unjudged"
    assert "Only 12 held-out users" in verdict.reasons[0]
    assert str(verdict).startswith("not judged: Only 12")


@pytest.mark.parametrize(
    "changed",
    [
        {"fault": "3 of 12 histories get scores that are not finite"},
        {"champion": Champion("c", date(2026, 2, 1))},
    ],
)
def test_few_users_excuse_neither_damage_nor_old_data(changed: dict[str, object]) -> None:
    assert judge(replace(FEW, **changed)).outcome == "refused"  # type: ignore[arg-type]


@pytest.mark.parametrize("cases", [FEWEST - 1, FEWEST])
def test_a_difference_is_taken_of_enough_cases(cases: int) -> None:
    found = Compared.of(np.linspace(0.2, 0.4, cases), np.full(cases, 0.1))
    assert (found is None) == (cases < FEWEST)
    if found:
        assert found.cases == cases and found.theirs == pytest.approx(0.1) and found.above
        assert found.difference == pytest.approx(found.ours - found.theirs)


def test_two_that_rank_alike_differ_by_no_more_than_noise() -> None:
    same = Compared.of(np.full(FEWEST, 0.2), np.full(FEWEST, 0.2))
    assert same and not same.above and not same.below


def test_every_number_that_was_compared_stands_in_the_figures() -> None:
    figures = judge(GOOD).figures
    for name in ("popularity", "champion_strong", "champion_newest"):
        assert figures[f"{name}_ours"] == 0.3 and figures[f"{name}_error"] == 0.01
    assert (figures["coverage"], figures["champion_coverage"]) == (0.10, 0.10)
    assert (figures["champion"], figures["champion_day"], figures["day"]) == (
        "c0ffee",
        "2026-01-30",
        "2026-01-31",
    )


def test_a_verdict_is_read_back_in_the_same_words() -> None:
    verdict = judge(GOOD)
    assert in_words({"outcome": verdict.outcome, "reasons": list(verdict.reasons)}) == str(verdict)
