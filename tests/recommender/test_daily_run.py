"""A day and a model by the verbs alone, as the DAGs run them: in folders, and in buckets of an S3 server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

import recommender
from recommender import accounts
from recommender.cli import main
from recommender.days import parse_day
from recommender.files import Store
from recommender.local.urls import PerRole
from recommender.model_store import ModelStore
from simulator.days import Crowd, write_day

DAY = "2025-12-31"
STARTER = Path(recommender.__file__).parent / "starter" / "movies.csv"
Verb = Callable[..., Any]


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "folder" else str(request.getfixturevalue("bucket"))


@pytest.fixture
def verb(
    place: str, urls: PerRole[str], engines: PerRole[Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Verb:
    """Runs a verb as the pipeline; the record of what it did, or its exit code when it is not 0."""
    settings = {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": f"{place}/data",
        "MODELS_URL": f"{place}/models",
        "MODEL_CACHE": str(tmp_path / "cache"),
        "TOMBSTONE_KEY": "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with engines.owner.begin() as connection:
        accounts.register(connection, "viewers", "Viewers", "viewers@example.com", "of no password")

    def run(*words: str) -> Any:
        result = CliRunner().invoke(main, ["--record", "-", *words])
        assert result.exit_code in (0, 99), result.output
        return json.loads(result.stdout.splitlines()[-1]) if result.exit_code == 0 else result.exit_code

    return run


def send(verb: Verb, place: str, tmp_path: Path) -> None:
    """By a simulator that knows folders only; a bucket gets the files afterwards."""
    sent = tmp_path / "sent"
    write_day(STARTER, sent, parse_day(DAY), [Crowd("viewers", 1, 150)], seed=7, source="starter")
    data = Store.at(f"{place}/data")
    for path in sorted(sent.rglob("*"), key=lambda path: path.name == "manifest.json"):
        if path.is_file():
            data.write(f"simulation_data/{path.relative_to(sent)}", path.read_bytes())


def test_a_day_becomes_a_champion_and_a_second_run_has_nothing_to_do(
    verb: Verb, place: str, engines: PerRole[Engine], tmp_path: Path
) -> None:
    send(verb, place, tmp_path)
    verb("fetch", "--day", DAY)
    processed = verb("process", "--day", DAY)
    loaded = verb("load", "--day", DAY)
    assert loaded["read"] == loaded["loaded"] + loaded["superseded"] + loaded["rejected"] > 1000
    taken = verb("snapshot", "--day", DAY, "--shards", "2")
    for part in taken:
        verb("count", "--digest", part["digest"], "--shard", str(part["shard"]))
    version = verb("train", "--day", DAY, "--digest", taken[0]["digest"])["version"]
    verb("evaluate", version)
    verb("publish", version)
    assert verb("refold")["users"] == 150
    assert verb("reproduce", version)["identical"] is True
    verb("drift", "--day", DAY)

    with engines.admin.connect() as connection:
        spaces = connection.execute(text("SELECT DISTINCT space FROM users")).scalars().all()
        champion = connection.scalar(text("SELECT champion FROM serving"))
    assert (spaces, champion) == ([version], version)
    assert ModelStore.at(f"{place}/models", tmp_path / "cache").load(version).version == version

    assert verb("process", "--day", DAY)["digest"] == processed["digest"]
    again = verb("load", "--day", DAY)
    assert (again["loaded"], again["unchanged"]) == (0, loaded["loaded"])
    assert (verb("snapshot", "--day", DAY), verb("publish")) == (99, 99)
    assert verb("publish", version)["version"] == version
