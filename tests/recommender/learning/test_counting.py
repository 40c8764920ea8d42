"""What was counted is kept, and the next is made of it: by the users who changed, to the same bytes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from recommender.database import open_engine, transaction
from recommender.deletions import delete_user
from recommender.learning.changes import Changes, UserRows
from recommender.learning.kept_statistics import SUMS, Shard, kept_shards
from recommender.learning.retention import erase_users, tidy_snapshots
from recommender.learning.snapshots import CATALOGUE, STATISTICS, Snapshot, open_snapshot, shard_file
from recommender.learning.training import train
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from recommender.manifests import seal_as_it_is
from recommender.model import DEFAULTS, Parameters
from recommender.statistics import summed_over
from tests.conftest import database
from tests.recommender.january import LAST, January

FIRST = LAST + timedelta(days=7)  # all of January is learned from
NEXT = FIRST + timedelta(days=1)
KEY = "k" * 32


@pytest.fixture
def january(engines: PerRole[Engine], tmp_path: Path) -> January:
    return January.at(tmp_path, engines)


@pytest.fixture
def other_world(server: Server, template: str, tmp_path: Path) -> Iterator[January]:
    """With the same ids."""
    with database(server, template) as urls:
        engines = urls.map(open_engine)
        yield January.at(tmp_path / "other", engines)
        engines.map(Engine.dispose)


def trained(world: January, day: date = FIRST, **how: Any) -> Snapshot:
    version = train(world.engine, world.data, world.models, day, **how)
    return world.trained_on(version)


def next_day(world: January, **how: Any) -> tuple[Snapshot, list[str]]:
    """And what was said."""
    said: list[str] = []
    return trained(world, NEXT, progress=said.append, **how), said


def rate_again(world: January, users: list[int]) -> None:
    world.run("UPDATE movies_users_rating SET rating = 5 WHERE user_id = ANY(:users)", users=users)


def learned_from(snapshot: Snapshot) -> list[int]:
    users = [snapshot.ratings(shard_file(shard)).users for shard in snapshot.shards]
    return [int(user) for user in np.unique(np.concatenate(users))]


def bytes_kept(snapshot: Snapshot, parameters: Parameters = DEFAULTS) -> list[bytes]:
    shards = [Shard.of(snapshot, number, parameters) for number in snapshot.shards]
    return [snapshot.store.read(f"{shard.folder}/{SUMS}") for shard in shards]


def from_scratch(snapshot: Snapshot, parameters: Parameters = DEFAULTS) -> list[bytes]:
    found = []
    for number in snapshot.shards:
        shard, stream = Shard.of(snapshot, number, parameters), BytesIO()
        summed_over(shard.dense(), *shard.rows(), shard.values).write(stream)
        found.append(stream.getvalue())
    return found


def made_from(snapshot: Snapshot) -> list[Any]:
    seals = (Shard.of(snapshot, number, DEFAULTS).seal() for number in snapshot.shards)
    return [seal.about["made_from"] for seal in seals if seal]


def test_of_the_next_day_only_users_who_changed_are_counted(january: January) -> None:
    before = trained(january, shards=2)
    changed = learned_from(before)[:9]
    rate_again(january, changed)
    after, said = next_day(january, shards=2)
    odd = [user for user in changed if user % 2]
    sizes = [len(np.unique(after.ratings(shard_file(shard)).users)) for shard in (0, 1)]
    touched = [len(changed) - len(odd), len(odd)]
    counted = [
        f"{users} users changed: counted in place of all {everybody}"
        for users, everybody in zip(touched, sizes, strict=True)
    ]
    assert [sentence for sentence in said if "count" in sentence] == counted
    assert bytes_kept(after) == from_scratch(after) != bytes_kept(before)
    start = {"digest": before.digest, "day": str(FIRST)}
    assert made_from(after) == [{**start, "changed_users": users} for users in touched]
    assert made_from(before) == [None, None]


def test_a_version_is_the_same_whether_counted_or_brought_up_to_date(january: January) -> None:
    rate_again(january, learned_from(trained(january))[:5])
    versions = []
    for source in (False, True):
        version = train(january.engine, january.data, january.models, NEXT, reason="again")
        versions.append(version)
        assert (made_from(january.trained_on(version)) == [None]) is source
        january.data.delete("training")
    assert versions[0] == versions[1]


def test_damaged_statistics_are_no_start_and_it_is_said(january: January) -> None:
    before = trained(january)
    january.data.write(f"{Shard.of(before, 0, DEFAULTS).folder}/{SUMS}", b"damage")
    rate_again(january, learned_from(before)[:5])
    after, said = next_day(january)
    assert any(f"the statistics of {before.digest} are of no use" in sentence for sentence in said)
    assert "counting shard 1 of 1" in said
    assert bytes_kept(after) == from_scratch(after)


@pytest.mark.parametrize("lost", [shard_file(0), "manifest.json", "the seal"])
def test_what_is_not_whole_any_more_is_no_start(january: January, lost: str) -> None:
    before = trained(january)
    changed, folder = learned_from(before)[:5], Shard.of(before, 0, DEFAULTS).folder
    january.data.write(f"{folder}/manifest.json" if lost == "the seal" else before.path(lost), b"{}")
    rate_again(january, changed)
    after, said = next_day(january)
    assert "counting shard 1 of 1" in said
    assert bytes_kept(after) == from_scratch(after)


def test_statistics_in_other_shards_or_of_other_parameters_are_no_start(january: January) -> None:
    rate_again(january, learned_from(trained(january))[:5])
    assert sum("counting shard" in sentence for sentence in next_day(january, shards=2)[1]) == 2
    few = replace(DEFAULTS, dense_limit=5)
    assert sum("counting shard" in sentence for sentence in next_day(january, parameters=few)[1]) == 2


def test_where_most_is_new_all_is_counted(january: January) -> None:
    rate_again(january, learned_from(trained(january)))
    assert "counting shard 1 of 1" in next_day(january)[1]


def test_a_movie_that_the_limit_lets_in_brings_the_ratings_of_all_its_raters(january: January) -> None:
    few = replace(DEFAULTS, dense_limit=8)
    before = trained(january, parameters=few, shards=2)
    left = Shard.of(before, 0, few).dense().tolist()[0]
    january.run("DELETE FROM movies_users_rating WHERE user_id <= 12 AND movie_id = :left", left=left)
    after, said = next_day(january, parameters=few, shards=2)
    assert not any("counting shard" in sentence for sentence in said)
    assert left not in Shard.of(after, 0, few).dense().tolist()
    assert bytes_kept(after, few) == from_scratch(after, few)


def test_statistics_of_the_newest_day_are_kept_and_earlier_ones_are_not(january: January) -> None:
    before = trained(january)
    rate_again(january, learned_from(before)[:5])
    january.run("UPDATE models SET status = 'published'")
    january.run("UPDATE serving SET champion = (SELECT version FROM models)")
    after, _ = next_day(january)
    tidy_snapshots(january.engine, january.data)
    assert [len(list(kept_shards(snapshot))) for snapshot in (before, after)] == [0, 1]
    assert january.data.exists(before.path(shard_file(0)))


def delete(world: January, user: int) -> None:
    with transaction(world.admin) as connection:
        delete_user(connection, 1, user, KEY)


def test_a_deleted_user_leaves_the_statistics_and_the_next_model_of_a_world_without(
    january: January, other_world: January
) -> None:
    user = learned_from(before := trained(january, shards=2))[3]
    delete(other_world, user)  # nothing was counted there yet: the user never was
    never = trained(other_world, shards=2)
    assert bytes_kept(before) != bytes_kept(never)
    delete(january, user)
    assert erase_users(january.engine, january.data) == 1
    erased = open_snapshot(january.data, before.digest)
    assert bytes_kept(erased) == from_scratch(erased) == bytes_kept(never)
    assert erased.table(CATALOGUE).equals(never.table(CATALOGUE))
    for world in (january, other_world):
        rate_again(world, learned_from(never)[:3])
    (after, said), (without, _) = next_day(january, shards=2), next_day(other_world, shards=2)
    assert sum("changed: counted in place of all" in sentence for sentence in said) == 2
    assert made_from(after)[0]["digest"] == before.digest
    assert bytes_kept(after) == bytes_kept(without)
    assert version_of(january, after) == version_of(other_world, without)


def version_of(world: January, snapshot: Snapshot) -> str:
    [version] = [
        version
        for version in world.models.store.names()
        if world.models.load(version).card["data"]["digest"] == snapshot.digest
    ]
    return version


def test_statistics_that_cannot_be_read_go_with_the_user(january: January) -> None:
    before = trained(january, shards=2)
    january.data.write(f"{Shard.of(before, 1, DEFAULTS).folder}/{SUMS}", b"damage")
    delete(january, learned_from(before)[0])
    erase_users(january.engine, january.data)
    erased = open_snapshot(january.data, before.digest)
    assert [shard.number for shard in kept_shards(erased)] == [0]
    assert not january.data.exists(Shard.of(erased, 1, DEFAULTS).folder)


def test_an_erasure_that_was_cut_short_leaves_no_statistics_of_whom_it_forgot(january: January) -> None:
    before = trained(january)
    seal_as_it_is(january.data, before.folder, {**before.about, "erasing": True}, (STATISTICS,))
    erase_users(january.engine, january.data)
    assert list(kept_shards(open_snapshot(january.data, before.digest))) == []


numbers = st.integers(1, 6)
tables = st.dictionaries(st.tuples(numbers, numbers), st.sampled_from([0.5, 3.0, 5.0]), max_size=25)


def user_rows(table: dict[tuple[int, int], float]) -> UserRows:
    rows = np.array([(*key, table[key]) for key in sorted(table)], np.float64).reshape(-1, 3)
    return UserRows(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2].astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(old=tables, new=tables)
def test_changes_are_the_users_whose_rows_are_not_the_same(
    old: dict[tuple[int, int], float], new: dict[tuple[int, int], float]
) -> None:
    def of(table: dict[tuple[int, int], float], user: int) -> dict[int, float]:
        return {movie: mark for (owner, movie), mark in table.items() if owner == user}

    expected = [user for user in range(1, 7) if of(old, user) != of(new, user)]
    changes = Changes.between(user_rows(old), user_rows(new))
    assert changes.users == len(expected)
    for found, table in ((changes.old, old), (changes.new, new)):
        wanted = user_rows({key: mark for key, mark in table.items() if key[0] in expected})
        assert [column.tolist() for column in found] == [column.tolist() for column in wanted]
    assert (changes.everybody, changes.rows) == (len({user for user, _ in new}), len(new))
