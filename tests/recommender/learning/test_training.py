"""From ratings in Postgres to a candidate."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recommender.errors import BadInput, Failed, NothingToDo
from recommender.files import Store
from recommender.learning.counting import count_shard
from recommender.learning.kept_statistics import SUMS, Shard
from recommender.learning.reproducing import reproduce
from recommender.learning.retention import erase_users
from recommender.learning.snapshots import shard_file
from recommender.learning.training import code_version, snapshot_to_train
from recommender.local.urls import PerRole
from recommender.model import DEFAULTS, Parameters
from recommender.model_store import ModelStore
from tests.recommender.january import LAST, January

DYING = """
import os, signal, sys
from recommender.database import open_engine
from recommender.files import Store
from recommender.model_store import ModelStore
from recommender.learning.training import train
from tests.recommender.january import LAST

url, data, models, last_words = sys.argv[1:]

def progress(sentence):
    if last_words in sentence:
        os.kill(os.getpid(), signal.SIGKILL)

train(open_engine(url), Store.at(data), ModelStore.at(models, models), LAST, shards=2, progress=progress)
"""


@pytest.fixture
def january(engines: PerRole[Engine], tmp_path: Path) -> January:
    return January.at(tmp_path, engines)


def elsewhere(january: January, name: str) -> January:
    """The same database, with models of its own."""
    models = ModelStore.at(Path(january.models.store.url).parent / name, Path())
    return January(january.admin, january.engine, january.data, models)


def test_a_candidate_is_kept_and_registered_and_nothing_else_changes(january: January) -> None:
    version = january.train()
    assert january.models.load(version).version == version
    assert january.rows("SELECT version, status, day, verdict FROM models") == [
        (version, "candidate", LAST, None)
    ]
    assert january.rows("SELECT champion FROM serving") == [(None,)]
    assert january.rows("SELECT count(*) FROM movies WHERE space IS NOT NULL") == [(0,)]
    assert january.rows("SELECT count(*) FROM users WHERE space IS NOT NULL") == [(0,)]


def test_the_card_names_the_data_the_parameters_the_code_and_the_audience(january: January) -> None:
    version = january.train()
    card, about = january.models.load(version).card, january.trained_on(version).about
    assert card["data"] == {
        name: about[name] for name in ("digest", "day", "cutoff", "share", "ratings", "users", "left_out")
    }
    assert card["data"]["day"] == str(LAST)
    assert card["code"] == code_version()
    assert card["parameters"]["ridge"] == DEFAULTS.ridge
    assert card["audience"]["users"] == about["users"] == card["users"]
    assert card["audience"]["ratings"] == about["ratings"] == card["ratings"]


def test_a_candidate_that_waits_to_be_judged_is_not_trained_twice(january: January) -> None:
    said: list[str] = []
    version = january.train()
    assert january.train(progress=said.append) == version
    assert not any("solving" in sentence for sentence in said)


@pytest.mark.parametrize("status", ["refused", "published"])
def test_the_same_data_are_not_learned_again_once_they_are_judged(january: January, status: str) -> None:
    version = january.train()
    january.run("UPDATE models SET status = :status", status=status)
    with pytest.raises(NothingToDo, match=f"{version}, which was {status}"):
        january.train()
    with pytest.raises(NothingToDo, match=version):
        snapshot_to_train(january.engine, january.data, january.models, LAST)


def test_with_a_reason_they_are_and_give_the_same_version(january: January) -> None:
    said: list[str] = []
    version = january.train()
    january.run("UPDATE models SET status = 'refused'")
    assert january.train(reason="to see it happen", progress=said.append) == version
    assert any("solving" in sentence for sentence in said)
    assert january.rows("SELECT status FROM models") == [("refused",)]


def test_any_number_of_shards_counted_by_anybody_gives_the_same_version(
    january: January, tmp_path: Path
) -> None:
    version = january.train()
    january.data.delete(january.trained_on(version).folder)
    other, said = elsewhere(january, "other"), list[str]()
    snapshot = snapshot_to_train(other.engine, other.data, other.models, LAST, shards=3)
    assert list(snapshot.shards) == [0, 1, 2]
    for shard in (2, 0, 1):
        count_shard(other.data, snapshot.digest, shard)
    assert other.train(digest=snapshot.digest, progress=said.append) == version
    assert not any("counting" in sentence for sentence in said)


def test_a_bucket_gives_the_version_that_a_folder_gives(
    january: January, bucket: str, tmp_path: Path
) -> None:
    version = january.train()
    models = ModelStore.at(f"{bucket}/models", tmp_path / "fetched")
    far = January(january.admin, january.engine, Store.at(bucket), models)
    snapshot = snapshot_to_train(far.engine, far.data, far.models, LAST, shards=2)
    count_shard(far.data, snapshot.digest, 1)
    assert far.train(shards=2) == version
    assert reproduce(far.engine, far.data, far.models, version).identical


def test_there_is_no_shard_past_the_last(january: January) -> None:
    digest = january.trained_on(january.train()).digest
    with pytest.raises(BadInput, match="in 1 shards, there is no shard 1"):
        count_shard(january.data, digest, 1)


def test_other_data_and_other_parameters_make_another_version(january: January) -> None:
    versions = {january.train(), january.train(parameters=Parameters(rank=4))}
    january.run("UPDATE movies_users_rating SET rating = 5 WHERE movie_id = 1")
    assert len(versions | {january.train()}) == 3


def test_a_candidate_whose_files_are_damaged_is_fitted_again(january: January) -> None:
    version = january.train()
    january.run("UPDATE models SET status = 'refused'")
    january.models.store.write(f"{version}/left.npy", b"damage")
    assert january.train() == version
    assert january.models.load(version).version == version


def test_damaged_counts_are_made_again(january: January) -> None:
    version = january.train()
    snapshot, said = january.trained_on(version), list[str]()
    january.data.write(f"{Shard.of(snapshot, 0, DEFAULTS).folder}/{SUMS}", b"damage")
    assert january.train(reason="to see it happen", progress=said.append) == version
    assert any("counted again" in sentence for sentence in said)


def test_damaged_data_are_not_counted_and_the_next_snapshot_is_whole(january: January) -> None:
    version = january.train()
    snapshot = january.trained_on(version)
    january.data.write(snapshot.path(shard_file(0)), january.data.read(snapshot.path(shard_file(0)))[:-1])
    with pytest.raises(BadInput, match="not the file that its manifest names"):
        count_shard(january.data, snapshot.digest, 0)
    assert january.train(reason="to see it happen") == version
    count_shard(january.data, snapshot.digest, 0)


def test_a_snapshot_from_which_users_were_erased_is_not_trained_on(january: January) -> None:
    snapshot = snapshot_to_train(january.engine, january.data, january.models, LAST)
    user = int(snapshot.ratings(shard_file(0)).users[0])
    january.run("DELETE FROM movies_users_rating WHERE user_id = :user", user=user)
    january.run("DELETE FROM users WHERE user_id = :user", user=user)
    assert erase_users(january.engine, january.data) == 1
    with pytest.raises(Failed, match="take a snapshot again"):
        january.train(digest=snapshot.digest)
    assert january.trained_on(january.train()).digest != snapshot.digest


def test_the_files_of_a_version_that_is_made_again_stay_where_they_are(january: January) -> None:
    version = january.train()
    card = Path(january.models.store.url, version, "card.json")
    before = card.stat().st_ino
    assert january.train(reason="to see it happen") == version
    assert card.stat().st_ino == before


def test_two_trainings_at_once_are_one_and_a_word_to_wait(january: January) -> None:
    told: list[str] = []

    def again(_: str) -> None:
        with pytest.raises(Failed, match="Another training runs, or tidies up") as refusal:
            january.train()
        told.append(str(refusal.value))

    version = january.train(progress=again)
    assert told
    assert january.train() == version  # the lock is gone with the training


@pytest.mark.parametrize("last_words", ["to judge by", "counting shard 2", "solving", "describing"])
def test_a_training_that_was_killed_is_finished_by_the_next(january: January, last_words: str) -> None:
    folder = Path(january.data.url).parent
    places = [str(folder / "data"), str(folder / "other")]
    url = january.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", DYING, url, *places, last_words]
    died = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert january.rows("SELECT count(*) FROM models") == [(0,)]
    version = january.train()
    january.data.delete(january.trained_on(version).folder)
    assert elsewhere(january, "undisturbed").train() == version


def test_the_registered_card_is_the_kept_one(january: January) -> None:
    version = january.train()
    [(card,)] = january.rows("SELECT card FROM models")
    assert json.loads(json.dumps(card)) == january.models.load(version).card


def test_ratings_that_teach_nothing_are_said_in_one_sentence(january: January) -> None:
    january.run("UPDATE movies_users_rating SET rating = 0.5")
    with pytest.raises(NothingToDo, match=r"no model is made: .* no two movies go together"):
        january.train()
    assert january.rows("SELECT count(*) FROM models") == [(0,)]


def test_no_ratings_are_said_in_one_sentence(engines: PerRole[Engine], tmp_path: Path) -> None:
    january = January.at(tmp_path, engines)
    january.run("DELETE FROM movies_users_rating")
    with pytest.raises(NothingToDo, match="no ratings to learn from"):
        january.train()
