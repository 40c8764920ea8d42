"""A version is made again from what its card names, and its data are kept as long as that is wanted."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from recommender.errors import BadInput, NotFound
from recommender.learning.counting import count_shard
from recommender.learning.kept_statistics import Shard, kept_shards
from recommender.learning.reproducing import Reproduced, reproduce
from recommender.learning.retention import erase_users, tidy_snapshots
from recommender.learning.shown import SHOWN
from recommender.learning.snapshots import GATE, NEWEST, Snapshot, open_snapshot, shard_file
from recommender.learning.training import train
from recommender.local.urls import PerRole
from recommender.manifests import MANIFEST, seal_as_it_is, verify
from recommender.model import DEFAULTS
from tests.recommender.january import LAST, January


@pytest.fixture
def january(engines: PerRole[Engine], tmp_path: Path) -> January:
    return January.at(tmp_path, engines)


def again(january: January, version: str) -> Reproduced:
    return reproduce(january.engine, january.data, january.models, version)


def users_in(snapshot: Snapshot) -> set[int]:
    names = [*(shard_file(shard) for shard in snapshot.shards), GATE, NEWEST, SHOWN]
    return set(np.concatenate([snapshot.table(name)["user_id"].to_numpy() for name in names]).tolist())


def show_to_everybody(january: January) -> None:
    january.run("""
        INSERT INTO recommendations (served_at, recommendation_id, client_id, user_id, source, movie_ids)
        SELECT now(), gen_random_uuid(), client_id, user_id, 'model', '{1, 2}' FROM users""")


def delete(january: January, users: list[int]) -> None:
    january.run("DELETE FROM movies_users_rating WHERE user_id = ANY(:users)", users=users)
    january.run("DELETE FROM users WHERE user_id = ANY(:users)", users=users)


def some_trained(snapshot: Snapshot, count: int) -> list[int]:
    return sorted(set(snapshot.ratings(shard_file(0)).users.tolist()))[:count]


def test_training_again_makes_the_same_version_whatever_was_rated_since(january: January) -> None:
    version = january.train()
    january.run("UPDATE movies_users_rating SET rating = 5")
    show_to_everybody(january)
    outcome = again(january, version)
    assert outcome.identical
    assert str(outcome) == f"identical: training again makes {version}."


def test_how_it_differs_is_said(january: January) -> None:
    version = january.train()
    kept = january.models.load(version)
    other = kept.telling(audience={}, code="0.0.1")
    january.models.save(other)
    january.run("UPDATE models SET version = :other", other=other.version)
    outcome = again(january, other.version)
    assert (outcome.identical, outcome.again, outcome.differences) == (False, version, ("audience", "code"))
    assert str(outcome) == (
        f"{other.version} differs from {version}, made now, in audience, code. "
        f"The code changed: it was 0.0.1, and is {kept.card['code']} now."
    )


def test_the_same_data_exported_again_on_a_later_day_are_the_same(january: January) -> None:
    version = january.train()
    snapshot = january.trained_on(version)
    later = {**snapshot.about, "day": "2026-02-03", "cutoff": "2026-02-03T00:00:00+00:00"}
    seal_as_it_is(january.data, snapshot.folder, later)
    assert again(january, version).identical


def test_a_snapshot_of_older_code_tells_nothing_of_what_was_shown_and_is_whole(january: January) -> None:
    version = january.train()
    snapshot = january.trained_on(version)
    january.data.delete(snapshot.path(SHOWN))
    seal_as_it_is(january.data, snapshot.folder, snapshot.about)
    assert january.trained_on(version).shown() == {} and again(january, version).identical
    delete(january, [int(snapshot.ratings(GATE).users[0])])
    assert erase_users(january.engine, january.data) == 1


def test_what_was_counted_before_is_not_believed(january: January) -> None:
    version = january.train()
    snapshot = january.trained_on(version)
    counted = count_shard(january.data, snapshot.digest, 0)
    Shard.of(snapshot, 0, DEFAULTS).keep(replace(counted, likes=counted.likes[::-1]), None)
    assert again(january, version).identical


def test_after_users_were_deleted_it_says_how_many_and_trains_nothing(january: January) -> None:
    version = january.train()
    delete(january, some_trained(january.trained_on(version), 3))
    outcome = again(january, version)
    assert (outcome.again, outcome.deleted) == (None, 3)
    assert str(outcome) == f"{version} is not comparable: 3 users of its data were deleted since."


def test_deleted_users_are_erased_from_the_files_and_still_counted(january: January) -> None:
    show_to_everybody(january)
    version = january.train(shards=2)
    snapshot = january.trained_on(version)
    count_shard(january.data, snapshot.digest, 1)
    judge = int(min(snapshot.shown().keys() & snapshot.ratings(GATE).users))
    gone = [*some_trained(snapshot, 2), judge]
    delete(january, gone)
    assert erase_users(january.engine, january.data) == 3
    after = january.trained_on(version)
    assert users_in(snapshot) == users_in(after)  # both read what lies there now
    assert users_in(after).isdisjoint(gone)
    assert after.about["erased"] == 2 and after.about["users"] == snapshot.about["users"]
    assert len(list(kept_shards(after))) == 2
    for entry in after.manifest.files:
        verify(january.data, after.folder, entry)
    assert again(january, version).deleted == 2
    assert erase_users(january.engine, january.data) == 0


def test_only_gate_users_deleted_leave_a_version_comparable(january: January) -> None:
    version = january.train()
    gate = january.trained_on(version).ratings(GATE)
    delete(january, [int(gate.users[0])])
    assert erase_users(january.engine, january.data) == 1
    assert again(january, version).identical


def test_an_erasure_that_was_cut_short_is_finished_by_the_next(january: January) -> None:
    version = january.train()
    snapshot = january.trained_on(version)
    gone = some_trained(snapshot, 1)
    delete(january, gone)
    seal_as_it_is(january.data, snapshot.folder, {**snapshot.about, "erasing": True})
    assert erase_users(january.engine, january.data) == 1
    assert "erasing" not in january.trained_on(version).about
    seal_as_it_is(january.data, snapshot.folder, {**january.trained_on(version).about, "erasing": True})
    erase_users(january.engine, january.data)  # every file was done, and the seal was not
    assert "erasing" not in january.trained_on(version).about
    assert january.trained_on(version).about["erased"] == 1


def test_data_that_were_changed_are_refused(january: January) -> None:
    version = january.train()
    january.data.write(january.trained_on(version).path(GATE), b"other")
    with pytest.raises(BadInput, match="not the file that its manifest names"):
        again(january, version)


def test_a_version_that_is_unknown_or_older_than_snapshots_cannot_be_made_again(january: January) -> None:
    with pytest.raises(NotFound, match="no model version"):
        again(january, "0123456789abcdef")
    january.run("INSERT INTO models (version, card, artifact_url) VALUES ('old', '{}', '')")
    with pytest.raises(BadInput, match="older code"):
        again(january, "old")


def test_only_data_that_may_be_asked_for_again_are_kept(january: January) -> None:
    """Seven days, of which the first six were champions one after the other, and one refused between."""
    days = [LAST - timedelta(days=back) for back in range(9, 1, -1)]
    trained = {day: train(january.engine, january.data, january.models, day) for day in days}
    folders = {day: january.trained_on(version).folder for day, version in trained.items()}
    january.run("UPDATE models SET status = 'refused' WHERE version = :version", version=trained[days[6]])
    for minute, day in enumerate(days[:6]):
        publish(january, trained[day], minute)
    january.data.write("training/unsealed/ratings-000.parquet", b"of a training that was killed")
    dropped, erased = tidy_snapshots(january.engine, january.data)
    kept = {day for day in days if january.data.exists(f"{folders[day]}/{MANIFEST}")}
    assert kept == {*days[2:6], days[7]}
    assert (dropped, erased) == (4, 0)
    assert january.data.names("training/unsealed") == []
    assert tidy_snapshots(january.engine, january.data) == (0, 0)


def test_the_data_of_the_newest_day_stay_for_a_training_that_is_about_to_read_them(january: January) -> None:
    version = january.train()
    january.run("DELETE FROM models")
    tidy_snapshots(january.engine, january.data)
    assert (
        january.trained_on(version).digest
        == open_snapshot(january.data, january.trained_on(version).digest).digest
    )


def publish(january: January, version: str, minute: int) -> None:
    moment = f"2026-02-01 12:{minute:02}Z"
    january.run("UPDATE models SET status = 'published' WHERE version = :version", version=version)
    january.run("UPDATE serving SET champion = :version", version=version)
    january.run(
        """INSERT INTO publications (version, kind, published_at)
        VALUES (:version, 'gate', CAST(:moment AS timestamptz))""",
        version=version,
        moment=moment,
    )
