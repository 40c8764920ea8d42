"""The verbs of a model's life as a person, or a step of a DAG, runs them."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from recommender.catalogue import Catalogue, Movie
from recommender.cli import main
from recommender.evaluation import Ratings
from recommender.local.urls import PerRole
from tests.recommender.laboratory import DAY, Laboratory

Run = Callable[..., Result]


@pytest.fixture
def lab(
    engines: PerRole[Engine], tmp_path: Path, movies: list[Movie], catalogue: Catalogue, ratings: Ratings
) -> Laboratory:
    return Laboratory.at(tmp_path, engines, movies, catalogue, ratings)


@pytest.fixture
def marquee(lab: Laboratory, urls: PerRole[str]) -> Run:
    settings = {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": lab.data.url,
        "MODELS_URL": lab.models.store.url,
        "MODEL_CACHE": str(lab.models.cache),
    }
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words], env=settings)


def recorded(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    record: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return record


def test_a_candidate_is_judged_published_and_taken_back(lab: Laboratory, marquee: Run) -> None:
    first = lab.add(lab.trained(users=40))
    assert recorded(marquee("--record", "-", "evaluate"))["outcome"] == "passed"
    assert recorded(marquee("--record", "-", "publish"))["replaced"] is None
    second = lab.add(lab.trained(), DAY + timedelta(1))
    judged = marquee("evaluate", second)
    assert f"{second}: the gate lets it pass" in judged.stdout and "NDCG@10 for" in judged.stdout
    assert f"{second} is the champion, in place of {first}" in marquee("publish", "--force", "").stdout
    back = marquee("rollback", "--reason", "viewers complained")
    assert f"{first} is the champion again, in place of {second}" in back.stdout
    again = marquee("publish")
    assert (again.exit_code, again.stderr) == (99, "") and "without a reason" in again.stdout


def test_a_refused_publish_is_skipped_with_the_reasons(lab: Laboratory, marquee: Run) -> None:
    lab.add(lab.misled())
    judged = marquee("evaluate")
    assert judged.exit_code == 0 and "the gate refuses it" in judged.stdout
    refused = marquee("publish")
    assert refused.exit_code == 99 and "NDCG@10 for" in refused.stdout
    forced = recorded(marquee("--record", "-", "publish", "--force", "a demonstration"))
    assert (forced["kind"], forced["reason"]) == ("forced", "a demonstration")


def test_a_rollback_wants_a_reason(marquee: Run) -> None:
    assert "--reason" in marquee("rollback").output
    assert marquee("rollback").exit_code == 2


def test_the_list_marks_the_champion_and_a_card_is_shown(
    lab: Laboratory, marquee: Run, tmp_path: Path
) -> None:
    assert marquee("models").stdout == "No model was trained yet.\n"
    champion = lab.add(lab.trained())
    marquee("evaluate"), marquee("publish")
    waiting = lab.add(lab.trained(users=40), DAY + timedelta(1))
    newest, oldest = marquee("models").stdout.splitlines()
    assert newest.split()[:2] == [waiting, "2026-02-01"] and newest.endswith("not published")
    assert oldest.startswith(f"* {champion}  2026-01-31  NDCG@10 0.") and "passed" in oldest
    assert f"# Model {champion}, the champion" in marquee("model", "show", champion).stdout
    assert marquee("model", "show", champion, "--page", tmp_path / "page").exit_code == 0
    assert sorted(path.suffix for path in (tmp_path / "page").iterdir()) == [".md", ".svg"]


def test_a_version_that_is_not_there_is_one_sentence(marquee: Run) -> None:
    for words in (("evaluate", "x"), ("publish", "x"), ("model", "show", "x")):
        result = marquee(*words)
        assert (result.exit_code, result.stderr) == (1, "marquee: There is no model version x.\n")
