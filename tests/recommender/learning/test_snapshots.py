"""What is learned from, what is held out, and how the same data are known again."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from recommender import unloading
from recommender.days import begins, ends
from recommender.errors import NotFound, NothingToDo
from recommender.files import Store
from recommender.learning.snapshots import (
    CATALOGUE,
    GATE,
    NEWEST,
    Snapshot,
    open_snapshot,
    shard_file,
    take_snapshot,
)
from recommender.learning.training_data import gate_place, in_gate
from recommender.local.urls import PerRole
from recommender.manifests import MANIFEST, verify
from tests.recommender.january import LAST, January

Rows = set[tuple[int, int, float]]
MOMENT = "extract(epoch FROM coalesce(rated_at, received_at))::float8"


@pytest.fixture
def january(engines: PerRole[Engine], tmp_path: Path) -> January:
    return January.at(tmp_path, engines)


def taken(january: January, shards: int = 1, folder: str = "data") -> Snapshot:
    data = Store.at(Path(january.data.url).parent / folder)
    return take_snapshot(january.engine, data, LAST, shards)


def read(snapshot: Snapshot, name: str) -> Rows:
    found = snapshot.ratings(name)
    return set(zip(found.users.tolist(), found.movie_ids.tolist(), found.ratings.tolist(), strict=True))


def trained(snapshot: Snapshot) -> Rows:
    return set().union(*(read(snapshot, shard_file(shard)) for shard in snapshot.shards))


def hashes(snapshot: Snapshot) -> dict[str, str]:
    names = snapshot.store.names(snapshot.folder)
    return {n: hashlib.sha256(snapshot.store.read(snapshot.path(n))).hexdigest() for n in names}


def test_training_sees_exactly_what_is_older_than_the_day_of_users_outside_the_gate(january: January) -> None:
    snapshot = taken(january, 3)
    share, cutoff = snapshot.about["share"], begins(LAST).timestamp()
    every = january.rows(f"SELECT user_id, movie_id, rating, {MOMENT} FROM movies_users_rating")
    expected = {(u, m, r) for u, m, r, moment in every if moment < cutoff and not in_gate(u, share)}
    assert trained(snapshot) == expected
    assert snapshot.about["ratings"] == len(expected) < len(every)
    assert snapshot.about["users"] == len({user for user, _, _ in expected})


def test_the_gate_holds_every_rating_of_its_users_until_the_day_ends(january: January) -> None:
    january.run(
        "UPDATE movies_users_rating SET rated_at = '2026-02-01' WHERE movie_id = 7 AND rated_at IS NOT NULL"
    )
    snapshot = taken(january)
    share, end = snapshot.about["share"], ends(LAST).timestamp()
    every = january.rows(f"SELECT user_id, movie_id, rating, {MOMENT} FROM movies_users_rating")
    expected = {(u, m, r) for u, m, r, moment in every if moment < end and in_gate(u, share)}
    assert read(snapshot, GATE) == expected
    assert snapshot.about["gate_users"] == len({user for user, _, _ in expected}) > 0
    assert {user for user, _, _ in trained(snapshot)}.isdisjoint(user for user, _, _ in expected)


def test_the_newest_are_those_who_liked_something_on_the_day_with_all_before_it(january: January) -> None:
    snapshot = taken(january)
    table = snapshot.table(NEWEST)
    likers = "SELECT user_id FROM movies_users_rating WHERE rating >= 4 AND received_at >= '2026-01-31'"
    rows = january.rows(f"""
        SELECT user_id, movie_id, received_at >= '2026-01-31' FROM movies_users_rating
        WHERE user_id IN ({likers}) ORDER BY user_id, movie_id""")
    found = zip(*(table[name].to_pylist() for name in ("user_id", "movie_id", "on_day")), strict=True)
    assert list(found) == rows
    assert {on_day for _, _, on_day in rows} == {True, False}


def test_the_gate_is_drawn_alike_in_sql_and_here(january: January) -> None:
    drawn = january.rows("""
        SELECT n, ('x' || substr(md5('gate' || n), 1, 8))::bit(32)::int8::float8 / 4294967296
        FROM generate_series(1, 2000) n""")
    assert drawn == [(user, gate_place(user)) for user in range(1, 2001)]
    assert 0.04 < np.mean([in_gate(user, 0.05) for user in range(10_000)]) < 0.06


def test_a_user_is_in_one_shard_and_the_data_are_the_same_in_any_number(january: January) -> None:
    one, three = taken(january, 1, "one"), taken(january, 3, "three")
    users = [{user for user, _, _ in read(three, shard_file(shard))} for shard in three.shards]
    assert sum(map(len, users)) == len(set().union(*users)) == three.about["users"]
    assert (one.digest, trained(one)) == (three.digest, trained(three))
    assert all(hashes(one)[name] == hashes(three)[name] for name in (CATALOGUE, GATE, NEWEST))


def test_a_rating_without_a_time_is_as_old_as_its_receipt_and_has_none(january: January) -> None:
    found = taken(january).ratings(shard_file(0))
    assert np.isnan(found.times).tolist() == (found.users % 10 == 0).tolist()
    timed = found.times[~np.isnan(found.times)]
    assert timed.min() >= 1767225600 and timed.max() < begins(LAST).timestamp()


def test_the_catalogue_counts_what_is_trained_on(january: January) -> None:
    snapshot = taken(january, 2)
    catalogue = snapshot.catalogue()
    ids, counts = np.unique([movie for _, movie, _ in trained(snapshot)], return_counts=True)
    assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == {
        movie: n
        for movie, n in zip(catalogue.movie_ids.tolist(), catalogue.popularity.tolist(), strict=True)
        if n
    }
    assert len(catalogue) == 30
    movie = catalogue.movie(10)
    assert movie and (movie.year, movie.kind, movie.genres) == (1970, "show", ("Drama",))


def test_the_same_data_are_not_written_twice(january: January) -> None:
    first = taken(january)
    written = [path.stat().st_mtime_ns for path in sorted(Path(january.data.url, first.folder).iterdir())]
    again = taken(january, 4)  # in however many shards
    assert again.manifest == first.manifest
    assert written == [
        path.stat().st_mtime_ns for path in sorted(Path(january.data.url, first.folder).iterdir())
    ]


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ("UPDATE movies_users_rating SET rating = 0.5 WHERE user_id = 2 AND movie_id = 1", True),
        ("UPDATE movies SET year = 1900 WHERE movie_id = 30", True),
        ("DELETE FROM movie_genres WHERE movie_id = 30", True),
        ("INSERT INTO movies (title, title_key) VALUES ('New', 'new')", True),
        ("UPDATE movies_users_rating SET rating = 0.5 WHERE received_at >= '2026-01-31'", False),
        ("UPDATE movies SET title = 'Renamed' WHERE movie_id = 30", False),
        ("UPDATE users SET updated_at = now()", False),
    ],
)
def test_the_digest_tells_what_training_would_see(january: January, change: str, other: bool) -> None:
    january.run("UPDATE movies_users_rating SET rated_at = received_at")
    first = taken(january)
    assert {(2, 1)} <= {(user, movie) for user, movie, _ in trained(first)}
    january.run(change)
    assert (taken(january).digest != first.digest) is other


def test_pieces_of_any_size_make_the_same_bytes(january: January, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unloading, "_GROUP_ROWS", 50)
    large = taken(january, 2, "large")
    monkeypatch.setattr(unloading, "_AT_ONCE", 7)
    assert hashes(taken(january, 2, "small")) == hashes(large)


def test_an_unfinished_snapshot_is_not_opened_and_is_made_anew(january: January) -> None:
    first = taken(january)
    whole = hashes(first)
    january.data.delete(first.path(MANIFEST))
    january.data.write(first.path(GATE), b"torn")
    with pytest.raises(NotFound, match="not sealed"):
        open_snapshot(january.data, first.digest)
    assert hashes(taken(january)) == whole
    for entry in first.manifest.files:
        verify(january.data, first.folder, entry)


@pytest.mark.parametrize(("published", "share"), [(0.125, 0.125), (0.9, 1 / 3)])
def test_the_share_of_the_gate_never_grows_over_a_champion_s(
    january: January, published: float, share: float
) -> None:
    january.run(
        """INSERT INTO models (version, status, card, artifact_url)
        VALUES ('v', 'published', CAST(:card AS jsonb), '')""",
        card=f'{{"data": {{"share": {published}}}}}',
    )
    snapshot = taken(january)
    assert snapshot.about["share"] == share
    assert all(not in_gate(user, share) for user, _, _ in trained(snapshot))


def test_a_candidate_s_share_binds_nobody(january: January) -> None:
    january.run(
        """INSERT INTO models (version, card, artifact_url) VALUES ('v', '{"data": {"share": 0.1}}', '')"""
    )
    assert taken(january).about["share"] == 1 / 3


def test_a_gate_that_holds_everybody_is_said(january: January) -> None:
    held_out = [user for user in range(1, 61) if in_gate(user, 1 / 3)][:2]
    january.run("DELETE FROM movies_users_rating WHERE NOT user_id = ANY(:users)", users=held_out)
    with pytest.raises(NothingToDo, match="the 2 users who rated are held out to judge by"):
        taken(january)


def test_no_ratings_from_before_the_day_are_said_in_one_sentence(january: January) -> None:
    january.run("DELETE FROM movies_users_rating WHERE received_at < '2026-01-31'")
    with pytest.raises(NothingToDo, match="no ratings to learn from before 2026-01-31"):
        taken(january)
    assert january.data.names() == []


def test_of_one_user_the_newest_two_thousand_ratings_are_learned_from(january: January) -> None:
    """Rows of a user come in several pieces; those without a time are the oldest."""
    user = int(taken(january).ratings(shard_file(0)).users[0])
    january.run(
        """INSERT INTO movies (title, title_key, kind)
        SELECT 'N' || n, 'n' || n, 'movie' FROM generate_series(1, 2100) n"""
    )
    january.run("DELETE FROM movies_users_rating WHERE user_id = :user", user=user)
    january.run(
        """INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, rated_at, received_at)
        SELECT 1, :user, movie_id, 4, CASE WHEN movie_id % 7 > 0 THEN day END, day FROM movies,
            LATERAL (SELECT timestamptz '2026-01-20Z' - interval '1 day' * (movie_id % 5) AS day) d""",
        user=user,
    )
    snapshot = taken(january)
    own = [movie for owner, movie, _ in trained(snapshot) if owner == user]
    every = january.rows(f"""
        SELECT movie_id FROM movies_users_rating WHERE user_id = {user}
        ORDER BY coalesce(rated_at, '-infinity') DESC, movie_id DESC LIMIT 2000""")
    assert sorted(own) == sorted(movie for (movie,) in every)
    rows = trained(snapshot)
    assert snapshot.about["ratings"] == len(rows)
    assert snapshot.table(CATALOGUE)["ratings"].to_numpy().sum() == len(rows)


def test_of_one_client_those_who_came_first_are_learned_from_and_the_others_are_counted(
    january: January,
) -> None:
    january.run("SELECT register_client('d', 'D', 'd@example.org', 'hash')")
    january.run("INSERT INTO users (client_id) SELECT 2 FROM generate_series(1, 30)")
    january.run("""
        INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, received_at)
        SELECT 2, user_id, movie_id, 4, '2026-01-02Z' FROM users, movies
        WHERE client_id = 2 AND movie_id < 4""")
    said: list[str] = []
    whole, few = (
        taken(january),
        take_snapshot(january.engine, january.data, LAST, 2, said.append, most_users=15),
    )
    users = sorted({user for user, _, _ in trained(whole)})
    clients = [[user for user in users if user <= 60], [user for user in users if user > 60]]
    expected = {user for own in clients for user in own[:15]}
    assert trained(few) == {row for row in trained(whole) if row[0] in expected}
    assert (whole.about["left_out"], few.about["users"]) == ({}, len(expected))
    assert few.about["left_out"] == {str(i): len(own) - 15 for i, own in enumerate(clients, 1) if own[15:]}
    assert few.about["ratings"] == len(trained(few))
    assert any(
        s == f"LEFT OUT: {len(clients[0]) - 15} users of client c, who came after its first 15" for s in said
    )
    assert few.digest != whole.digest
    assert take_snapshot(january.engine, january.data, LAST, most_users=len(users)).digest == whole.digest
