"""Who becomes the champion, who does not, and the way back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recommender.bulk import lock_catalogue
from recommender.catalogue import Catalogue, Movie
from recommender.errors import BadArtifact, BadInput, Failed, NotFound, NothingToDo
from recommender.evaluation import Ratings
from recommender.learning.judging import evaluate
from recommender.learning.publishing import Published, publish, rollback
from recommender.local.urls import PerRole
from recommender.model import Model
from recommender.registry import let_files_go, make_champion, record_verdict
from tests.recommender.laboratory import DAY, Laboratory, overflowing

WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""
PUBLICATIONS = "SELECT version, replaced, kind, reason FROM publications ORDER BY publication_id"


@pytest.fixture
def lab(
    engines: PerRole[Engine], tmp_path: Path, movies: list[Movie], catalogue: Catalogue, ratings: Ratings
) -> Laboratory:
    return Laboratory.at(tmp_path, engines, movies, catalogue, ratings)


def judged(lab: Laboratory, model: Model, days: int = 0) -> str:
    version = lab.add(model, DAY + timedelta(days))
    evaluate(lab.engine, lab.data, lab.models, version)
    return version


def champion(lab: Laboratory) -> object:
    return lab.one("SELECT champion FROM serving")


@pytest.fixture
def two(lab: Laboratory) -> tuple[str, str]:
    """A champion and, a day later, the one that replaced it."""
    first = judged(lab, lab.trained(users=40))
    publish(lab.engine, lab.models)
    second = judged(lab, lab.trained(), days=1)
    publish(lab.engine, lab.models)
    return first, second


def test_what_passed_is_published_with_the_vectors_of_its_movies(lab: Laboratory) -> None:
    model = lab.trained()
    version = judged(lab, model)
    done = publish(lab.engine, lab.models)
    assert (done.version, done.replaced, done.kind, done.reason) == (version, None, "gate", None)
    assert champion(lab) == version
    assert lab.rows("SELECT status FROM models") == [("published",)]
    assert lab.rows(PUBLICATIONS) == [(version, None, "gate", None)]
    assert lab.rows("SELECT DISTINCT space FROM movies") == [(version,)]
    first = lab.one("SELECT CAST(vector AS real[]) FROM movies ORDER BY movie_id LIMIT 1")
    assert first == pytest.approx(model.right[0].tolist(), abs=1e-6)


def test_movies_are_counted_for_the_list_of_the_popular(lab: Laboratory) -> None:
    judged(lab, lab.trained())
    with lab.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE movies SET ratings_count = 7")
    publish(lab.engine, lab.models)
    assert (
        lab.one("SELECT sum(ratings_count) FROM movies") == 0
    )  # the small world's ratings are in files only


def test_a_candidate_that_was_not_judged_is_not_published(lab: Laboratory) -> None:
    lab.add(lab.trained())
    with pytest.raises(Failed, match="run `marquee evaluate"):
        publish(lab.engine, lab.models, reason="in a hurry")
    assert champion(lab) is None


def test_an_unjudged_candidate_may_be_published_and_its_record_says_so(lab: Laboratory) -> None:
    version = lab.add(lab.trained(), held_out=20)
    evaluate(lab.engine, lab.data, lab.models)
    assert publish(lab.engine, lab.models).kind == "gate"
    assert lab.rows("SELECT version, verdict->>'outcome' FROM models") == [(version, "unjudged")]


def test_a_refused_candidate_is_not_published_and_the_reasons_are_said(lab: Laboratory) -> None:
    judged(lab, lab.misled())
    with pytest.raises(NothingToDo, match=r"refused: NDCG@10 for .* noise"):
        publish(lab.engine, lab.models)
    assert champion(lab) is None and lab.rows(PUBLICATIONS) == []


def test_a_reason_publishes_what_the_gate_refused_and_is_kept(lab: Laboratory) -> None:
    version = judged(lab, lab.misled())
    assert publish(lab.engine, lab.models, reason=" a demonstration ").kind == "forced"
    assert champion(lab) == version
    assert lab.rows(PUBLICATIONS) == [(version, None, "forced", "a demonstration")]
    assert lab.one("SELECT verdict->>'outcome' FROM models") == "refused"


def test_a_reason_that_was_not_needed_is_kept_beside_the_gates_word(lab: Laboratory) -> None:
    version = judged(lab, lab.trained())
    publish(lab.engine, lab.models, reason="to be sure")
    assert lab.rows(PUBLICATIONS) == [(version, None, "gate", "to be sure")]


def test_an_empty_reason_is_none(lab: Laboratory) -> None:
    judged(lab, lab.misled())
    with pytest.raises(BadInput, match="reason is empty"):
        publish(lab.engine, lab.models, reason=" ")


@pytest.mark.parametrize("how", ["damaged", "not finite", "damaged since"])
def test_no_reason_publishes_what_does_not_work(lab: Laboratory, how: str) -> None:
    model = lab.trained()
    version = lab.add(overflowing(model) if how == "not finite" else model)
    if how == "damaged":
        lab.damage(version)
    evaluate(lab.engine, lab.data, lab.models)
    if how == "damaged since":
        lab.damage(version)
    with pytest.raises(BadArtifact):
        publish(lab.engine, lab.models, reason="it must go out")
    assert champion(lab) is None and lab.rows(PUBLICATIONS) == []


def test_once_is_enough(lab: Laboratory) -> None:
    version = judged(lab, lab.trained())
    publish(lab.engine, lab.models)
    with pytest.raises(NothingToDo, match="champion already"):
        publish(lab.engine, lab.models)
    assert publish(lab.engine, lab.models, version) == Published(version, None, "gate", None)
    assert lab.rows(PUBLICATIONS) == [(version, None, "gate", None)]


def test_the_next_champion_names_the_one_it_replaced(lab: Laboratory, two: tuple[str, str]) -> None:
    first, second = two
    assert champion(lab) == second
    assert lab.rows(PUBLICATIONS) == [(first, None, "gate", None), (second, first, "gate", None)]
    assert lab.rows("SELECT DISTINCT space FROM movies") == [(second,)]


def test_a_verdict_beside_another_champion_does_not_count(lab: Laboratory) -> None:
    early = judged(lab, lab.trained(users=40))
    publish(lab.engine, lab.models, judged(lab, lab.trained(), days=1))
    with pytest.raises(Failed, match="evaluate it again"):
        publish(lab.engine, lab.models, early)
    evaluate(lab.engine, lab.data, lab.models, early)
    with pytest.raises(NothingToDo, match="older data"):
        publish(lab.engine, lab.models, early)


def test_a_rollback_is_to_the_one_that_was_replaced(lab: Laboratory, two: tuple[str, str]) -> None:
    first, second = two
    done = rollback(lab.engine, lab.models, None, "viewers complained")
    assert (done.version, done.replaced, done.kind) == (first, second, "rollback")
    assert champion(lab) == first
    assert lab.rows("SELECT DISTINCT space FROM movies") == [(first,)]
    assert lab.rows(PUBLICATIONS)[-1] == (first, second, "rollback", "viewers complained")


def test_a_rollback_does_not_go_forward_again(lab: Laboratory, two: tuple[str, str]) -> None:
    rollback(lab.engine, lab.models, None, "viewers complained")
    with pytest.raises(Failed, match="replaced no other version"):
        rollback(lab.engine, lab.models, None, "and again")


def test_a_version_that_was_rolled_back_comes_again_only_with_a_reason(
    lab: Laboratory, two: tuple[str, str]
) -> None:
    first, second = two
    rollback(lab.engine, lab.models, first, "viewers complained")
    with pytest.raises(NothingToDo, match="was the champion before"):
        publish(lab.engine, lab.models)
    assert champion(lab) == first
    assert publish(lab.engine, lab.models, reason="it was not its fault").kind == "forced"
    assert champion(lab) == second


def test_a_rollback_to_a_named_version_is_done_once(lab: Laboratory, two: tuple[str, str]) -> None:
    rollback(lab.engine, lab.models, two[0], "viewers complained")
    with pytest.raises(NothingToDo, match="champion already"):
        rollback(lab.engine, lab.models, two[0], "viewers complained")
    assert len(lab.rows(PUBLICATIONS)) == 3


def test_a_rollback_to_what_is_damaged_leaves_the_champion(lab: Laboratory, two: tuple[str, str]) -> None:
    lab.damage(two[0])
    with pytest.raises(BadArtifact):
        rollback(lab.engine, lab.models, None, "viewers complained")
    assert champion(lab) == two[1]


def test_a_rollback_needs_somewhere_to_go_and_a_reason(lab: Laboratory) -> None:
    with pytest.raises(Failed, match="no champion"):
        rollback(lab.engine, lab.models, None, "why not")
    judged(lab, lab.trained())
    publish(lab.engine, lab.models)
    candidate = lab.add(lab.trained(users=40))
    with pytest.raises(Failed, match="was never the champion"):
        rollback(lab.engine, lab.models, candidate, "why not")
    with pytest.raises(NotFound):
        rollback(lab.engine, lab.models, "nothing", "why not")


def test_a_rollback_without_a_reason_is_refused(lab: Laboratory, two: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match="reason is empty"):
        rollback(lab.engine, lab.models, None, "")
    assert champion(lab) == two[1]


def test_what_is_judged_anew_while_it_is_published_is_not(lab: Laboratory) -> None:
    version = judged(lab, lab.trained())
    with lab.engine.connect() as connection, ThreadPoolExecutor(1) as other:
        lock_catalogue(connection)
        waiting = other.submit(publish, lab.engine, lab.models, version)
        while not lab.one(WAITING):
            assert not waiting.done()
        record_verdict(connection, version, {}, {"outcome": "refused", "reasons": ["looked at again"]})
        connection.commit()
        with pytest.raises(Failed, match="judged anew meanwhile"):
            waiting.result()
    assert champion(lab) is None and lab.rows(PUBLICATIONS) == []


def test_a_version_whose_files_went_while_it_was_chosen_is_not_published(
    lab: Laboratory, two: tuple[str, str]
) -> None:
    with lab.engine.connect() as connection, ThreadPoolExecutor(1) as other:
        lock_catalogue(connection)
        waiting = other.submit(rollback, lab.engine, lab.models, two[0], "viewers complained")
        while not lab.one(WAITING):
            assert not waiting.done()
        let_files_go(connection, [two[0]])
        connection.commit()
        with pytest.raises(Failed, match="kept no longer"):
            waiting.result()
    assert champion(lab) == two[1]


def test_of_two_who_publish_at_once_one_is_told(lab: Laboratory) -> None:
    """One holds what both need until the other waits for it, with the champion read already."""
    quick, slow = lab.add(lab.trained()), judged(lab, lab.trained(users=40))
    with lab.engine.connect() as connection, ThreadPoolExecutor(1) as other:
        lock_catalogue(connection)
        waiting = other.submit(publish, lab.engine, lab.models, slow)
        while not lab.one(WAITING):
            assert not waiting.done()
        make_champion(connection, quick, "here", replaced=None, kind="gate", reason=None)
        connection.commit()
        with pytest.raises(Failed, match=f"{quick} became the champion meanwhile"):
            waiting.result()
    assert champion(lab) == quick and len(lab.rows(PUBLICATIONS)) == 1
