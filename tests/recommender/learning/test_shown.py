"""What a snapshot tells of the lists that were shown. What the gate makes of it: test_cases, test_judging."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from recommender.files import Store
from recommender.learning.shown import MOST_LISTS, SHOWN
from recommender.learning.snapshots import GATE, NEWEST, Snapshot, take_snapshot
from recommender.local.urls import PerRole
from tests.recommender.january import LAST, January


@pytest.fixture
def january(engines: PerRole[Engine], tmp_path: Path) -> January:
    return January.at(tmp_path, engines)


def taken(january: January, folder: str = "data") -> Snapshot:
    data = Store.at(Path(january.data.url).parent / folder)
    return take_snapshot(january.engine, data, LAST)


def serve(january: January, user: int, movie_ids: list[int], night: str | None = None) -> None:
    table, columns, values = "recommendations", "served_at, recommendation_id", "now(), gen_random_uuid()"
    if night:
        table, columns, values = "nightly_lists", "day, scores", f"'{night}', '{{}}'"
    january.run(
        f"""INSERT INTO {table} ({columns}, client_id, user_id, source, movie_ids)
        VALUES ({values}, 1, :user, 'model', :ids)""",
        user=user,
        ids=movie_ids,
    )


def written(snapshot: Snapshot) -> bytes:
    return snapshot.store.read(snapshot.path(SHOWN))


def test_a_snapshot_holds_what_lists_showed_to_those_who_are_judged_by(january: January) -> None:
    before = taken(january, folder="before")
    gate, newest = (set(before.ratings(name).users.tolist()) for name in (GATE, NEWEST))
    both, likes_little, other = min(gate & newest), min(gate - newest), min(set(range(1, 61)) - gate - newest)
    january.run("UPDATE movies_users_rating SET rating = 2 WHERE user_id = :user", user=likes_little)
    for user in (both, likes_little, other):
        serve(january, user, [7, 3, 30])
    serve(january, both, [3, 4])
    serve(january, both, [9], "2026-01-30")
    serve(january, both, [10], "2026-01-31")  # made after it was learned from the day
    snapshot = taken(january)
    shown = {user: movie_ids.tolist() for user, movie_ids in snapshot.shown().items()}
    assert before.shown() == {} and shown == {both: [3, 4, 7, 9, 30]}
    assert snapshot.digest == before.digest and written(snapshot) == written(taken(january, "again"))


def test_of_a_user_with_many_lists_the_newest_count(january: January) -> None:
    user = int(taken(january, folder="before").ratings(NEWEST).users[0])
    january.run(
        f"""INSERT INTO recommendations (served_at, recommendation_id, client_id, user_id, source, movie_ids)
        SELECT now() - interval '1 hour' * n, gen_random_uuid(), 1, :user, 'model',
            ARRAY[CASE WHEN n <= {MOST_LISTS} THEN 1 + n % 20 ELSE 25 END]
        FROM generate_series(1, {MOST_LISTS + 5}) n""",
        user=user,
    )
    assert taken(january).shown()[user].tolist() == list(range(1, 21))
