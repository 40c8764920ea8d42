"""refold, recommend-all and drift as a person, or a DAG, runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from recommender.cli import main
from recommender.local.urls import PerRole
from recommender.model_store import ModelStore
from recommender.spoken import SKIPPED
from tests.recommender.champions import fill, make_champion

USERS = 12
OF_A_DAY = ("--day", "2025-06-02")


@pytest.fixture
def marquee(urls: PerRole[str], tmp_path: Path) -> Any:
    given = {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": f"{tmp_path}/data",
        "MODELS_URL": f"{tmp_path}/models",
    }
    return lambda *words: CliRunner().invoke(main, ["--record", "-", *words], env=given)


@pytest.fixture
def champion(engines: PerRole[Engine], tmp_path: Path) -> None:
    fill(engines.admin, USERS)
    make_champion(engines.admin, ModelStore.at(tmp_path / "models", tmp_path))


def told(result: Result) -> Any:
    """The record, which is the last line."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("words", [["refold"], ["recommend-all", *OF_A_DAY], ["drift", *OF_A_DAY]])
def test_with_nothing_to_do_a_verb_says_why_and_is_skipped(marquee: Any, words: list[str]) -> None:
    result = marquee(*words)
    assert (result.exit_code, result.stdout.count("\n")) == (SKIPPED, 1), result.output


def test_refold_tells_how_many_users_it_folded(marquee: Any, champion: None) -> None:
    result = marquee("refold")
    assert told(result) == {"users": USERS}
    assert f"{USERS} users folded" in result.stdout


def test_recommend_all_tells_how_many_lists_it_made(
    marquee: Any, champion: None, engines: PerRole[Engine]
) -> None:
    with engines.admin.begin() as connection:
        connection.execute(text("UPDATE clients SET nightly_k = 3"))
    assert told(marquee("recommend-all", *OF_A_DAY)) == {"day": "2025-06-02", "lists": USERS}


def test_drift_says_each_measure_in_words(marquee: Any, champion: None) -> None:
    result = marquee("drift", *OF_A_DAY)
    names = [measure["name"] for measure in told(result)["measures"]]
    lines = result.stdout.splitlines()[:-1]
    assert [line.partition(":")[0] for line in lines] == names
    assert all("too few to say" in line for line in lines)
