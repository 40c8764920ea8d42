"""Users folded into the champion's space, in bulk, beside an API that goes on changing them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event, text

from recommender.errors import Failed, NothingToDo
from recommender.learning import refolding
from recommender.learning.refolding import refold
from recommender.local.urls import PerRole
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.users import read_user
from tests.recommender.champions import fill, make_champion

USERS, CHUNK = 40, 16


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refolding, "AT_ONCE", CHUNK)


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore.at(tmp_path, tmp_path)


@pytest.fixture
def champion(engines: PerRole[Engine], models: ModelStore) -> Model:
    fill(engines.admin, USERS)
    return make_champion(engines.admin, models)


def silent(_stage: str, _done: int, _total: int) -> None: ...


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def one(engine: Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(query)).scalar_one()


STALE = """
    SELECT count(*) FROM users
    WHERE space IS DISTINCT FROM (SELECT champion FROM serving) OR profiled_at IS DISTINCT FROM updated_at
"""


def test_every_user_gets_the_taste_that_a_request_would_make(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    run(engines.admin, "UPDATE users SET preferences = '{\"Drama\": 5}' WHERE user_id % 2 = 0")
    assert refold(engines.pipeline, models, silent) == USERS
    with engines.admin.connect() as connection:
        rows = connection.execute(text("SELECT user_id, space, CAST(taste AS real[]) AS taste FROM users"))
        for row in rows.all():
            user = read_user(connection, 1, row.user_id)
            taste = champion.taste(user.history, user.preferences).vector
            assert row.space == champion.version
            np.testing.assert_allclose(row.taste, taste, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("user_id", [4, 7])  # the second likes nothing
def test_a_profile_says_the_share_of_the_liked_movies_of_each_genre_or_else_of_all(
    engines: PerRole[Engine], models: ModelStore, champion: Model, user_id: int
) -> None:
    refold(engines.pipeline, models, silent)
    with engines.admin.connect() as connection:
        catalogue, history = read_catalogue(connection), read_user(connection, 1, user_id).history
    liked = history.movie_ids[history.ratings >= 4]
    rows = catalogue.rows(liked if len(liked) else history.movie_ids)
    shares = zip(catalogue.genres, catalogue.genre_matrix[rows].mean(axis=0).tolist(), strict=True)
    profile = one(engines.admin, f"SELECT genre_profile FROM users WHERE user_id = {user_id}")
    assert profile == {genre: pytest.approx(share, abs=1e-4) for genre, share in shares if share}


def test_folding_twice_changes_nothing(engines: PerRole[Engine], models: ModelStore, champion: Model) -> None:
    refold(engines.pipeline, models, silent)
    before = one(engines.admin, "SELECT max(xmin::text::bigint) FROM users")
    assert refold(engines.pipeline, models, silent) == 0
    assert one(engines.admin, "SELECT max(xmin::text::bigint) FROM users") == before


def test_a_user_without_a_history_is_folded_to_nowhere_and_only_once(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    run(engines.admin, "INSERT INTO users (client_id, external_id) VALUES (1, 'new')")
    assert refold(engines.pipeline, models, silent) == USERS + 1
    assert refold(engines.pipeline, models, silent) == 0
    taste = one(engines.admin, "SELECT CAST(taste AS real[]) FROM users WHERE external_id = 'new'")
    assert not np.any(taste)
    assert one(engines.admin, "SELECT genre_profile FROM users WHERE external_id = 'new'") == {}


def test_folding_that_broke_off_goes_on_where_it_stood(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    class Killed(Exception): ...

    def killed(_stage: str, done: int, total: int) -> None:
        assert (done, total) == (CHUNK, USERS)
        raise Killed

    with pytest.raises(Killed):
        refold(engines.pipeline, models, killed)
    assert one(engines.admin, STALE) == USERS - CHUNK
    assert refold(engines.pipeline, models, silent) == USERS - CHUNK


def meanwhile(engine: Engine, act: Callable[[], None]) -> None:
    """Once, after the first users' ratings were read and before their tastes are written."""
    waiting = [act]

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        if "CREATE TEMPORARY TABLE folded" in text and waiting:
            waiting.pop()()

    event.listen(engine, "before_cursor_execute", statement)


def test_a_user_who_changed_meanwhile_is_left_for_the_next_run(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    change = "UPDATE users SET taste = NULL, space = NULL, updated_at = now() WHERE user_id = 3"
    meanwhile(engines.pipeline, lambda: run(engines.admin, change))
    assert refold(engines.pipeline, models, silent) == USERS - 1
    assert one(engines.admin, "SELECT user_id FROM users WHERE space IS NULL") == 3
    assert refold(engines.pipeline, models, silent) == 1


def test_a_change_begun_before_the_reading_and_not_yet_committed_leaves_no_stale_taste(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    """Its updated_at is older than the reading, so clocks alone would not show it; nor does it wait."""
    with engines.admin.connect() as slow:
        slow.execute(
            text("UPDATE users SET taste = NULL, space = NULL, updated_at = now() WHERE user_id = 1")
        )
        assert refold(engines.pipeline, models, silent) == USERS - 1
        slow.commit()
    assert refold(engines.pipeline, models, silent) == 1
    assert one(engines.admin, STALE) == 0


def test_a_taste_that_a_request_stored_still_lacks_its_profile(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    refold(engines.pipeline, models, silent)
    run(engines.admin, "UPDATE users SET updated_at = now() WHERE user_id = 5")
    assert refold(engines.pipeline, models, silent) == 1
    assert one(engines.admin, STALE) == 0


def test_folding_stops_when_another_model_is_published_meanwhile(
    engines: PerRole[Engine], models: ModelStore, champion: Model
) -> None:
    meanwhile(engines.pipeline, lambda: crown_another(engines.admin, models))
    with pytest.raises(Failed, match="Another model was published"):
        refold(engines.pipeline, models, silent)
    assert refold(engines.pipeline, models, silent) == USERS


def crown_another(admin: Engine, models: ModelStore) -> None:
    make_champion(admin, models, rank=5)


def test_without_a_champion_there_is_nothing_to_do(engines: PerRole[Engine], models: ModelStore) -> None:
    with pytest.raises(NothingToDo, match="No model is published"):
        refold(engines.pipeline, models, silent)
