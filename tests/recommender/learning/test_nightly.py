"""Lists of every user of the clients that ask: the same as a request would get, and twice equals once."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from recommender.errors import NothingToDo
from recommender.learning import nightly
from recommender.learning.nightly import recommend_all
from recommender.local.urls import PerRole
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.ranking import Ranker, Wish
from recommender.users import read_user
from tests.recommender.champions import fill, make_champion

USERS, CHUNK, K, DAY = 40, 16, 5, date(2026, 1, 31)
ASK = f"UPDATE clients SET nightly_k = {K} WHERE username = 'c'"
LISTS = "SELECT * FROM nightly_lists ORDER BY client_id, day, user_id"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "AT_ONCE", CHUNK)
    monkeypatch.setattr(nightly, "SCORES", 60 * 7)  # seven users at once


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore.at(tmp_path, tmp_path)


@pytest.fixture
def champion(engines: PerRole[Engine], models: ModelStore) -> Model:
    fill(engines.admin, USERS)
    return make_champion(engines.admin, models)


def silent(_stage: str, _done: int, _total: int) -> None: ...


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def rows(engine: Engine, query: str = LISTS) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(query)).all())


def test_each_list_is_what_a_request_would_get(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    """With stated preferences, dismissed movies, an empty history, and movies that came or went since."""
    run(
        engines.admin,
        ASK,
        'UPDATE users SET preferences = \'{"Horror": 5, "Nothing": 1}\' WHERE user_id % 3 = 0',
        "INSERT INTO dismissals (client_id, user_id, movie_id) SELECT 1, user_id, m FROM users,"
        " generate_series(1, 20) m WHERE (user_id + m) % 3 = 0",
        "INSERT INTO users (client_id, preferences) VALUES (1, '{}'), (1, '{\"Comedy\": 1}')",
        "INSERT INTO movies (title, title_key) VALUES ('New', 'new')",
        *(f"DELETE FROM {table} WHERE movie_id = 59" for table in ("movies_users_rating", "movies")),
    )
    assert recommend_all(engines.pipeline, models, DAY, silent) == USERS + 2
    with engines.admin.connect() as connection:
        ranker = Ranker(read_catalogue(connection), champion)
        found = connection.execute(text(LISTS)).all()
        assert [row.user_id for row in found] == list(range(1, USERS + 3))
        for row in found:
            user = read_user(connection, 1, row.user_id)
            ranked = ranker.recommend(user.history, user.preferences, Wish(k=K), user.dismissed)
            assert row.movie_ids == [pick.movie_id for pick in ranked.picks]
            assert row.scores == pytest.approx([pick.score for pick in ranked.picks], rel=1e-4, abs=1e-5)
            assert (row.day, row.version, row.source) == (DAY, champion.version, ranked.source)
    assert {row.source for row in found} == {"model", "preferences", "popular"}


def test_a_second_run_writes_nothing(engines: PerRole[Engine], models: ModelStore, champion: Model) -> None:
    run(engines.admin, ASK)
    query = "SELECT *, xmin FROM nightly_lists ORDER BY user_id"
    once, before = recommend_all(engines.pipeline, models, DAY, silent), rows(engines.admin, query)
    assert recommend_all(engines.pipeline, models, DAY, silent) == once == USERS
    assert rows(engines.admin, query) == before


def test_a_new_rating_changes_the_list_of_the_same_day(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    run(engines.admin, ASK)
    recommend_all(engines.pipeline, models, DAY, silent)
    best = rows(engines.admin, "SELECT movie_ids[1] FROM nightly_lists WHERE user_id = 1")[0][0]
    run(
        engines.admin,
        f"INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating) VALUES (1, 1, {best}, 5)",
    )
    recommend_all(engines.pipeline, models, DAY, silent)
    changed = rows(engines.admin, "SELECT movie_ids FROM nightly_lists WHERE user_id = 1")
    assert len(changed) == 1
    assert best not in changed[0].movie_ids


def test_only_active_clients_that_ask_get_lists_each_of_its_own_length(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    run(
        engines.admin,
        ASK,
        *(f"SELECT register_client('{name}', '{name}', '{name}@example.org', 'h')" for name in "def"),
        "UPDATE clients SET nightly_k = 3 WHERE username IN ('d', 'f')",
        "UPDATE clients SET status = 'disabled' WHERE username = 'f'",
        "INSERT INTO users (client_id) SELECT client_id FROM clients WHERE username IN ('d', 'e', 'f')",
    )
    recommend_all(engines.pipeline, models, DAY, silent)
    lengths = "SELECT client_id, cardinality(movie_ids), count(*) FROM nightly_lists GROUP BY 1, 2 ORDER BY 1"
    assert [tuple(row) for row in rows(engines.admin, lengths)] == [(1, K, USERS), (2, 3, 1)]


def test_lists_of_last_week_go(engines: PerRole[Engine], models: ModelStore, champion: Model) -> None:
    run(engines.admin, ASK)
    for day in (date(2026, 1, 23), date(2026, 1, 24), DAY):
        recommend_all(engines.pipeline, models, day, silent)
    days = rows(engines.admin, "SELECT DISTINCT day FROM nightly_lists ORDER BY 1")
    assert [row.day for row in days] == [date(2026, 1, 24), DAY]


def test_a_user_who_is_being_deleted_gets_no_list(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    run(engines.admin, ASK)
    with engines.admin.connect() as deleting:
        deleting.execute(text("DELETE FROM users WHERE user_id = 2"))
        recommend_all(engines.pipeline, models, DAY, silent)
        deleting.commit()
    assert len(rows(engines.admin)) == USERS - 1


def test_nobody_who_asks_and_no_champion_are_nothing_to_do(
    engines: PerRole[Engine], models: ModelStore
) -> None:
    fill(engines.admin, 3)
    with pytest.raises(NothingToDo, match="No client asks"):
        recommend_all(engines.pipeline, models, DAY, silent)
    run(engines.admin, ASK)
    with pytest.raises(NothingToDo, match="No model is published"):
        recommend_all(engines.pipeline, models, DAY, silent)
