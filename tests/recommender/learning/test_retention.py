"""Which files of models are kept, and which go."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from recommender.cli import main
from recommender.days import begins
from recommender.errors import BadArtifact, NothingToDo
from recommender.learning.publishing import rollback
from recommender.learning.retention import CHAMPIONS, tidy_models
from recommender.learning.snapshots import shard_file
from recommender.learning.training import snapshot_to_train
from recommender.local.urls import PerRole
from recommender.model import Parameters
from recommender.model_store import ModelStore
from tests.recommender.january import LAST, January

TODAY = date(2020, 2, 15)  # before whatever is trained now


@pytest.fixture
def january(engines: PerRole[Engine], tmp_path: Path) -> January:
    return January.at(tmp_path, engines)


def trained(january: January, rank: int, days_ago: int = 0, status: str = "candidate") -> str:
    version = january.train(parameters=Parameters(rank=rank))
    january.run(
        """UPDATE models SET status = :status, trained_at = :moment
        WHERE version = :version""",
        status=status,
        moment=begins(TODAY) + timedelta(days=-days_ago, hours=12),
        version=version,
    )
    return version


def published(january: January, rank: int, replaced: str | None) -> str:
    version = trained(january, rank, 30 - rank, "published")
    january.run("UPDATE serving SET champion = :version", version=version)
    january.run(
        "INSERT INTO publications (version, replaced, kind) VALUES (:version, :replaced, 'gate')",
        version=version,
        replaced=replaced,
    )
    return version


def champions(january: January, count: int) -> list[str]:
    """One after the other, the last serves."""
    versions: list[str] = []
    for rank in range(1, count + 1):
        versions.append(published(january, rank, versions[-1] if versions else None))
    return versions


def tidied(january: January, day: date = TODAY) -> list[str]:
    return tidy_models(january.engine, january.models, day)


def test_the_last_champions_and_a_week_of_candidates_are_kept(january: January) -> None:
    earlier = champions(january, CHAMPIONS + 2)
    old = [trained(january, 10, 9), trained(january, 11, 9, "refused")]
    young = [trained(january, 12, 6), trained(january, 13, 6, "refused")]
    assert tidied(january) == sorted([*earlier[:2], *old])
    assert january.models.store.names() == sorted([*earlier[2:], *young])
    assert january.rows("SELECT count(*) FROM models") == [(CHAMPIONS + 6,)]
    assert tidied(january) == []


def test_the_champion_is_kept_however_long_ago_it_was_published_and_the_one_before_it(
    january: January,
) -> None:
    earlier = champions(january, CHAMPIONS + 2)
    rollback(january.engine, january.models, earlier[1], "the others did worse")
    tidied(january)
    rollback(january.engine, january.models, None, "this one too")
    assert january.rows("SELECT champion FROM serving") == [(earlier[0],)]


def test_the_last_trained_is_kept_however_old(january: January) -> None:
    versions = [trained(january, rank, days) for rank, days in ((1, 30), (2, 40))]
    assert tidied(january) == [versions[1]]


def test_a_week_is_counted_from_the_day_that_is_named(january: January) -> None:
    trained(january, 1)
    version = trained(january, 2, 1)
    assert tidied(january, TODAY + timedelta(days=6)) == []
    assert tidied(january, TODAY + timedelta(days=7)) == [version]


def test_data_whose_refused_model_was_deleted_are_not_learned_again(january: January) -> None:
    trained(january, 2, 8)
    january.train()
    version = trained(january, 1, 9, "refused")
    assert version in tidied(january)
    with pytest.raises(BadArtifact):
        january.models.load(version)
    with pytest.raises(NothingToDo, match=f"{version}, which was refused"):
        snapshot_to_train(january.engine, january.data, january.models, LAST, parameters=Parameters(rank=1))


def test_a_candidate_that_was_deleted_is_trained_again_when_it_is_wanted(january: January) -> None:
    january.train()
    version = trained(january, 1, 9)
    assert tidied(january) == [version]
    assert trained(january, 1) == version
    assert january.models.load(version).version == version
    assert tidied(january) == []


def test_the_verb_deletes_models_and_erases_deleted_users_from_the_data_of_trainings(
    january: January, urls: PerRole[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "DATABASE_URL": urls.pipeline,
        "DATA_URL": january.data.url,
        "MODELS_URL": january.models.store.url,
        "TOMBSTONE_KEY": "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    snapshot = january.trained_on(january.train())
    version = trained(january, 1, 9)
    user = int(snapshot.ratings(shard_file(0)).users[0])
    january.run("DELETE FROM users WHERE user_id = :user", user=user)
    result = CliRunner().invoke(main, ["--record", "-", "tidy"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert (told["users_erased"], told["models_deleted"]) == (1, [version])
    assert f"files of 1 models deleted: {version}" in result.stdout
    assert user not in snapshot.ratings(shard_file(0)).users


def test_a_tidying_that_was_killed_is_finished_by_the_next(january: January) -> None:
    january.train()
    version = trained(january, 1)
    january.run("UPDATE models SET artifact_url = '' WHERE version = :version", version=version)
    assert tidied(january) == [version]
    assert version not in january.models.store.names()


def test_what_the_registry_does_not_know_or_another_store_holds_is_left_alone(
    january: January, tmp_path: Path
) -> None:
    january.train()
    version = trained(january, 1, 9)
    january.models.store.write("0123456789abcdef/card.json", b"of another platform")
    assert tidy_models(january.engine, ModelStore.at(tmp_path / "elsewhere", tmp_path), TODAY) == []
    assert tidied(january) == [version]
    assert "0123456789abcdef" in january.models.store.names()
