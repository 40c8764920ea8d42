"""Candidates of known quality, judged beside popularity and a champion over a real database."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from recommender.catalogue import Catalogue, Movie
from recommender.errors import NotFound, NothingToDo
from recommender.evaluation import Ratings
from recommender.learning.cases import read_cases
from recommender.learning.judging import evaluate
from recommender.learning.publishing import publish
from recommender.learning.training_data import in_gate
from recommender.local.urls import PerRole
from recommender.registry import record_verdict
from tests.recommender.laboratory import DAY, HELD_OUT, Laboratory, overflowing
from tests.recommender.shown_lists import lived_with

DAY_LATER = DAY + timedelta(1)


@pytest.fixture
def lab(
    engines: PerRole[Engine], tmp_path: Path, movies: list[Movie], catalogue: Catalogue, ratings: Ratings
) -> Laboratory:
    return Laboratory.at(tmp_path, engines, movies, catalogue, ratings)


def outcome(lab: Laboratory, version: str | None = None) -> tuple[str, str]:
    verdict = evaluate(lab.engine, lab.data, lab.models, version)
    return verdict.outcome, " ".join(verdict.reasons)


def crowned(lab: Laboratory, **how: object) -> str:
    version = lab.add(lab.trained(**how))  # type: ignore[arg-type]
    evaluate(lab.engine, lab.data, lab.models, version)
    return publish(lab.engine, lab.models, version, reason="a test needs it").version


def test_a_first_model_that_is_above_popularity_passes_and_is_recorded(lab: Laboratory) -> None:
    version = lab.add(lab.trained())
    assert outcome(lab)[0] == "passed"
    ((status, verdict, metrics),) = lab.rows("SELECT status, verdict, metrics FROM models")
    assert (status, verdict["outcome"]) == ("candidate", "passed")
    ours, popular = metrics["candidate"], metrics["popularity"]
    assert (ours["version"], popular["version"]) == (version, None)
    assert ours["strong"]["all"]["ndcg"]["mean"] == verdict["figures"]["popularity_ours"]
    for protocol in ("strong", "newest"):
        for group in ("all", "light", "head", "tail"):
            found = ours[protocol][group]["recall"]
            assert 0 <= found["low"] <= found["mean"] <= found["high"] <= 1 and found["users"] > 0
    assert ours["coverage"] > popular["coverage"] > 0
    assert "champion" not in metrics


def test_a_model_that_ranks_at_random_is_refused(lab: Laboratory) -> None:
    lab.add(lab.misled())
    judged, why = outcome(lab)
    assert judged == "refused" and "popularity's" in why and "better" not in why
    assert lab.one("SELECT status FROM models") == "refused"


def test_a_better_model_than_the_champion_passes_and_a_worse_one_does_not(lab: Laboratory) -> None:
    champion = crowned(lab, users=40)
    better = lab.add(lab.trained())
    assert outcome(lab, better)[0] == "passed"
    metrics = lab.one(f"SELECT metrics FROM models WHERE version = '{better}'")
    assert metrics["champion"]["version"] == champion
    assert (
        metrics["champion"]["strong"]["all"]["ndcg"]["mean"]
        < metrics["candidate"]["strong"]["all"]["ndcg"]["mean"]
    )
    publish(lab.engine, lab.models, better)
    worse = lab.add(lab.trained(users=30))
    judged, why = outcome(lab, worse)
    assert judged == "refused" and "worse beyond noise" in why


def watching_lists(lab: Laboratory) -> None:
    """Its champion learned from few; of what the held-out rated, lists of it had shown about half."""
    champion = lab.trained(users=40)
    lab.ratings, lab.shown = lived_with(champion, lab.catalogue, lab.ratings, HELD_OUT)


def test_a_better_model_passes_though_the_champion_s_lists_decided_what_was_watched(lab: Laboratory) -> None:
    better = lab.trained()
    watching_lists(lab)
    crowned(lab, users=40)
    lab.add(better, DAY_LATER)
    judged, why = outcome(lab)
    assert judged == "passed", why
    assert "of 120 held-out users" in why.lower() and "are asked about that alone" in why


def test_without_what_was_shown_a_better_model_would_be_refused(lab: Laboratory) -> None:
    """As with a snapshot of older code, which does not tell."""
    better = lab.trained()
    watching_lists(lab)
    lab.shown = {}
    crowned(lab, users=40)
    lab.add(better, DAY_LATER)
    judged, why = outcome(lab)
    assert judged == "refused" and "worse beyond noise" in why and "shown" not in why


def test_a_model_that_ranks_at_random_is_worse_than_the_champion_by_what_was_not_shown(
    lab: Laboratory,
) -> None:
    misled = lab.misled()
    watching_lists(lab)
    crowned(lab, users=40)
    lab.add(misled, DAY_LATER)
    verdict = evaluate(lab.engine, lab.data, lab.models)
    assert verdict.outcome == "refused"
    figures = verdict.figures
    assert figures["champion_strong_difference"] < -2 * figures["champion_strong_error"]  # type: ignore[operator]
    assert figures["strong_unshown_left"] == figures["cases"] < figures["strong_unshown_users"]  # type: ignore[operator]


def test_where_nearly_everything_was_shown_it_is_asked_for_and_compared_with_popularity_only(
    lab: Laboratory,
) -> None:
    every = set(lab.catalogue.movie_ids.tolist())
    lab.shown = dict.fromkeys(range(HELD_OUT), every)
    crowned(lab, users=40)
    lab.add(lab.trained(), DAY_LATER)
    verdict = evaluate(lab.engine, lab.data, lab.models)
    assert verdict.outcome == "passed"
    assert "champion_strong_cases" not in verdict.figures and verdict.figures["popularity_cases"]
    assert "only 0 liked enough that no list had shown to them: all are asked about" in str(verdict)


def test_a_model_that_lists_the_same_for_everybody_loses_coverage(lab: Laboratory) -> None:
    crowned(lab)
    lab.add(lab.trained(rank=1, prior=100.0, prior_half=1e9))
    assert "of that is lost" in outcome(lab)[1]


def test_the_same_model_of_a_later_day_is_not_worse(lab: Laboratory) -> None:
    crowned(lab)
    lab.add(lab.trained(), DAY_LATER)
    assert outcome(lab)[0] == "passed"


def test_older_data_are_refused(lab: Laboratory) -> None:
    crowned(lab)
    lab.add(lab.trained(), DAY - timedelta(1))
    judged, why = outcome(lab)
    assert judged == "refused" and "older data than the champion's of 2026-01-31" in why


def test_a_damaged_artifact_is_a_recorded_refusal(lab: Laboratory) -> None:
    version = lab.add(lab.trained())
    lab.damage(version)
    judged, why = outcome(lab)
    assert judged == "refused" and f"{version}/left.npy is not the file" in why
    assert lab.rows("SELECT status, verdict->'figures'->'usable' FROM models") == [("refused", False)]


def test_scores_that_are_not_finite_are_a_recorded_refusal(lab: Laboratory) -> None:
    lab.add(overflowing(lab.trained()))
    judged, why = outcome(lab)
    assert judged == "refused" and "histories get scores that are not finite" in why


def test_scores_that_are_not_finite_are_found_where_nobody_is_held_out(lab: Laboratory) -> None:
    model = overflowing(lab.trained())
    lab.ratings = lab.ratings.take(np.zeros(0, np.intp))
    lab.add(model)
    judged, why = outcome(lab)
    assert judged == "refused" and "not finite" in why


def test_a_verdict_that_comes_after_the_publication_changes_nothing(lab: Laboratory) -> None:
    version = crowned(lab)
    before = lab.rows("SELECT status, metrics, verdict FROM models")
    with lab.engine.begin() as connection:
        record_verdict(connection, version, {}, {"outcome": "refused", "reasons": ["late"]})
    assert lab.rows("SELECT status, metrics, verdict FROM models") == before


def test_a_repaired_artifact_is_judged_again(lab: Laboratory) -> None:
    model = lab.trained()
    version = lab.add(model)
    lab.damage(version)
    assert outcome(lab)[0] == "refused"
    assert lab.add(model) == version
    assert outcome(lab)[0] == "passed"
    assert lab.one("SELECT status FROM models") == "candidate"


def test_a_damaged_champion_does_not_stop_its_successor(lab: Laboratory) -> None:
    lab.damage(crowned(lab))
    lab.add(lab.trained(), DAY_LATER)
    judged, why = outcome(lab)
    assert judged == "passed" and "was not compared with the champion" in why


def test_a_champion_that_learnt_from_the_held_out_is_no_measure(lab: Laboratory) -> None:
    version = lab.add(lab.trained(), share=None)
    with lab.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE serving SET champion = '{version}'")
    lab.add(lab.trained(), DAY_LATER)
    judged, why = outcome(lab)
    assert judged == "passed" and "was trained on users whom the candidate has not seen" in why


def test_users_whom_only_the_candidate_held_out_are_no_measure_of_the_champion(lab: Laboratory) -> None:
    champion = lab.add(lab.trained(users=40), share=0.7)
    evaluate(lab.engine, lab.data, lab.models, champion)
    publish(lab.engine, lab.models, champion, reason="a test needs it")
    version = lab.add(lab.trained(), DAY_LATER, share=0.9)
    found = evaluate(lab.engine, lab.data, lab.models, version).figures
    asked = [case.user for case in read_cases(lab.data, lab.snapshot()).strong]
    assert found["cases"] == found["popularity_cases"] == len(asked)
    assert found["champion_strong_cases"] == sum(in_gate(user, 0.7) for user in asked) < len(asked)


def test_too_few_held_out_users_leave_it_unjudged(lab: Laboratory) -> None:
    lab.add(lab.trained(), held_out=20)
    judged, why = outcome(lab)
    assert judged == "unjudged" and "held-out users have likes enough" in why
    assert lab.rows("SELECT status, verdict->>'outcome' FROM models") == [("candidate", "unjudged")]


def test_twice_is_the_same_as_once(lab: Laboratory) -> None:
    lab.add(lab.trained())
    evaluate(lab.engine, lab.data, lab.models)
    once = lab.rows("SELECT status, metrics, verdict FROM models")
    evaluate(lab.engine, lab.data, lab.models)
    assert lab.rows("SELECT status, metrics, verdict FROM models") == once


def test_the_verdict_of_a_published_version_stands(lab: Laboratory) -> None:
    crowned(lab)
    with pytest.raises(NothingToDo, match="Its verdict stands: passed"):
        evaluate(lab.engine, lab.data, lab.models)


def test_what_cannot_be_judged_is_said(lab: Laboratory) -> None:
    with pytest.raises(NotFound, match="No model was trained yet"):
        evaluate(lab.engine, lab.data, lab.models)
    with pytest.raises(NotFound, match="no model version nothing"):
        evaluate(lab.engine, lab.data, lab.models, "nothing")
    version = lab.add(lab.trained())
    lab.data.delete("training")
    with pytest.raises(NotFound, match="not there, or not sealed"):
        evaluate(lab.engine, lab.data, lab.models, version)


def test_popularity_is_counted_without_the_held_out(lab: Laboratory) -> None:
    """Counts of the database hold every rating, those that are asked about too."""
    lab.add(lab.trained())
    first = evaluate(lab.engine, lab.data, lab.models).figures["popularity_theirs"]
    with lab.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE movies SET ratings_count = 1000 - movie_id")
    assert evaluate(lab.engine, lab.data, lab.models).figures["popularity_theirs"] == first
