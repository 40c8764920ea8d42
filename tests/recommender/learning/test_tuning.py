"""`marquee tune` for the platform: what it chooses is what the next model is trained with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine
from threadpoolctl import threadpool_limits

from recommender.cli import main
from recommender.learning.chosen import JOURNAL, PARAMETERS, choose, chosen
from recommender.learning.reproducing import reproduce
from recommender.learning.retention import drop_old_snapshots, erase_users
from recommender.learning.snapshots import open_snapshot, take_snapshot
from recommender.learning.training import alone
from recommender.learning.training_data import in_gate
from recommender.local.urls import PerRole
from recommender.model import DEFAULTS, Parameters
from recommender.tuning import steps, trials
from recommender.tuning.choice import Choice
from tests.recommender.january import LAST, January
from tests.recommender.tuning.test_tune import QUICK

Run = Callable[..., Result]
POOR = Choice(
    Parameters(values=(0, 0, 0, 0, 0.1), ridge=9000.0, rank=1),
    {
        "digest": "0123456789abcdef",
        "day": "2026-01-01",
        "code": "0.0.1",
        "history": "likes",
        "gains": {"strong": {"gain": 0.0123, "error": 0.004}},
    },
)


@pytest.fixture
def january(engines: PerRole[Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> January:
    monkeypatch.setattr(trials, "FEWEST", 10)
    for name, options in QUICK.items():
        monkeypatch.setattr(steps, name, options)
    return January.at(tmp_path, engines)


@pytest.fixture
def marquee(january: January, urls: PerRole[str]) -> Run:
    settings = {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": january.data.url,
        "MODELS_URL": january.models.store.url,
        "MODEL_CACHE": str(january.models.cache),
    }

    def run(*words: str) -> Result:
        with threadpool_limits(1):
            return CliRunner().invoke(main, ["--record", "-", *words], env=settings)

    return run


def _record(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_what_is_chosen_takes_the_place_of_what_was_and_trains_the_next_model(
    january: January, marquee: Run
) -> None:
    choose(january.data, POOR)
    found = _record(marquee("tune", "--day", str(LAST)))
    choice = chosen(january.data)
    assert found["better"] is True and choice.parameters != POOR.parameters
    assert choice.about is not None and choice.about["day"] == str(LAST)
    snapshot = _record(marquee("snapshot", "--day", str(LAST)))[0]
    assert choice.about["digest"] == snapshot["digest"]
    _record(marquee("count", "--digest", snapshot["digest"], "--shard", "0"))
    version = _record(marquee("train", "--day", str(LAST), "--digest", snapshot["digest"]))["version"]
    model = january.models.load(version)
    assert model.parameters == choice.parameters
    assert model.card["tuned"] == choice.about
    assert reproduce(january.engine, january.data, january.models, version).identical
    shown = marquee("model", "show", version).stdout
    assert f"Chosen on the data {snapshot['digest']} of {LAST}" in shown
    again = marquee("tune", "--digest", snapshot["digest"])
    assert "better than what was chosen before" in again.stdout and chosen(january.data) == choice


def test_the_gates_users_and_the_newest_day_are_not_looked_at(january: January, marquee: Run) -> None:
    choose(january.data, POOR)  # so that something is better
    first = _record(marquee("tune", "--day", str(LAST)))
    before = january.data.read(JOURNAL)
    share = open_snapshot(january.data, first["tuned"]["digest"]).about["share"]
    users = [user for (user,) in january.rows("SELECT user_id FROM users")]
    gate = [user for user in users if in_gate(user, share)]
    assert gate
    january.run("UPDATE movies_users_rating SET rating = 0.5 WHERE user_id = ANY(:gate)", gate=gate)
    january.run(f"DELETE FROM movies_users_rating WHERE coalesce(rated_at, received_at) >= '{LAST}'")
    _record(marquee("tune", "--day", str(LAST)))
    assert january.data.read(JOURNAL) == before


def test_a_reset_goes_back_to_the_defaults(january: January, marquee: Run) -> None:
    choose(january.data, POOR)
    assert "the defaults again" in marquee("tune", "--reset").stdout
    assert chosen(january.data) == Choice(DEFAULTS, None)
    assert "Nothing was chosen" in marquee("tune", "--reset").stdout


def test_a_choice_is_read_as_it_was_written_and_outlives_the_snapshots(january: January) -> None:
    choose(january.data, POOR)
    january.data.write(JOURNAL, b"")
    drop_old_snapshots(january.data, set())
    assert chosen(january.data) == POOR and january.data.exists(JOURNAL)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "parameters.json holds no parameters"),
        (b'{"parameters": {"ridge": -1}, "tuned": {}}', "parameters.json: 'ridge'"),
        (b'{"parameters": {}}', "parameters.json holds no parameters"),
    ],
)
def test_a_damaged_choice_stops_training_with_a_sentence(
    january: January, marquee: Run, content: bytes, said: str
) -> None:
    january.data.write(PARAMETERS, content)
    result = marquee("train", "--day", str(LAST))
    assert result.exit_code == 1 and said in result.stderr
    assert january.rows("SELECT count(*) FROM models") == [(0,)]


def test_few_users_are_left_as_they_are(
    january: January, marquee: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "FEWEST", 200)
    result = marquee("tune", "--day", str(LAST))
    assert result.exit_code == 99 and "chance would choose" in result.stdout
    assert not january.data.exists(PARAMETERS)


def test_data_of_users_who_were_deleted_are_not_chosen_on(january: January, marquee: Run) -> None:
    digest = take_snapshot(january.engine, january.data, LAST).digest
    january.run("DELETE FROM users WHERE user_id = (SELECT min(user_id) FROM movies_users_rating)")
    assert erase_users(january.engine, january.data) == 1
    result = marquee("tune", "--digest", digest)
    assert result.exit_code == 1 and "were deleted since" in result.stderr
    assert not january.data.exists(JOURNAL)


def test_while_data_may_change_nothing_is_read_of_them(january: January, marquee: Run) -> None:
    digest = take_snapshot(january.engine, january.data, LAST).digest
    with alone(january.engine):
        result = marquee("tune", "--digest", digest)
    assert result.exit_code == 1 and "Another training runs" in result.stderr
