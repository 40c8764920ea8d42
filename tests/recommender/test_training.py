"""From ratings in Postgres to a champion, and users folded into its space."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from recommender.errors import BadInput, Failed
from recommender.local.urls import PerRole
from recommender.model import Model
from recommender.training import train

FILL = """
    SELECT register_client('c', 'C', 'c@example.org', 'hash');
    INSERT INTO movies (title, title_key) SELECT 'M' || n, 'm' || n FROM generate_series(1, 30) n;
    INSERT INTO users (client_id) SELECT client_id FROM clients, generate_series(1, 40);
    INSERT INTO movies_users_rating (client_id, user_id, movie_id, rating, rated_at)
        SELECT client_id, user_id, movie_id, 1 + (user_id + movie_id) % 5, '2025-01-01'
        FROM users, movies WHERE (user_id * 7 + movie_id * 3) % 4 = 0;
"""


@pytest.fixture
def filled(engines: PerRole[Engine]) -> PerRole[Engine]:
    with engines.admin.begin() as connection:
        for statement in FILL.split(";")[:-1]:
            connection.execute(text(statement))
    return engines


def one(engine: Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(query)).scalar_one()


def silent(_: str) -> None: ...


def test_the_fitted_model_is_kept_and_becomes_the_champion(filled: PerRole[Engine], tmp_path: Path) -> None:
    version, new = train(filled.pipeline, tmp_path, silent)
    assert new
    assert Model.load(tmp_path / version, version).version == version
    assert one(filled.admin, "SELECT champion FROM serving") == version
    assert one(filled.admin, "SELECT count(*) FROM movies WHERE space IS NULL") == 0


def test_every_user_with_ratings_gets_a_taste_vector_of_its_space(
    filled: PerRole[Engine], tmp_path: Path
) -> None:
    version, _ = train(filled.pipeline, tmp_path, silent)
    model = Model.load(tmp_path / version)
    with filled.admin.connect() as connection:
        query = text("SELECT space, CAST(taste AS real[]) AS taste FROM users WHERE user_id = 1")
        row = connection.execute(query).one()
    assert row.space == version
    assert len(row.taste) == model.right.shape[1]
    assert np.abs(row.taste).max() > 0


def test_the_same_data_are_not_learnt_twice(filled: PerRole[Engine], tmp_path: Path) -> None:
    first, _ = train(filled.pipeline, tmp_path, silent)
    assert train(filled.pipeline, tmp_path, silent) == (first, False)


def test_a_new_rating_makes_a_new_model(filled: PerRole[Engine], tmp_path: Path) -> None:
    first, _ = train(filled.pipeline, tmp_path, silent)
    with filled.admin.begin() as connection:
        connection.execute(text("UPDATE movies_users_rating SET rating = 5 WHERE user_id = 1"))
    second, new = train(filled.pipeline, tmp_path, silent)
    assert (new, second != first) == (True, True)


def test_a_champion_whose_files_are_damaged_is_fitted_again(filled: PerRole[Engine], tmp_path: Path) -> None:
    first, _ = train(filled.pipeline, tmp_path, silent)
    (tmp_path / first / "left.npy").write_bytes(b"damage")
    assert train(filled.pipeline, tmp_path, silent) == (first, True)
    assert Model.load(tmp_path / first, first).version == first


def test_a_change_begun_before_the_reading_and_committed_after_it_leaves_no_stale_taste(
    filled: PerRole[Engine], tmp_path: Path
) -> None:
    """Its updated_at is older than the reading, so clocks alone would not show it."""
    slow = filled.admin.connect()
    change = text("UPDATE users SET updated_at = now(), taste = NULL, space = NULL WHERE user_id = 1")
    slow.execute(change)

    def finish(sentence: str) -> None:
        if "read" in sentence:
            slow.commit()
            slow.close()

    train(filled.pipeline, tmp_path, finish)
    assert one(filled.admin, "SELECT count(*) FROM users WHERE space IS NULL AND user_id = 1") == 1
    assert one(filled.admin, "SELECT count(*) FROM users WHERE space IS NULL AND user_id > 1") == 0


def test_folding_that_was_interrupted_is_finished_by_the_next_run(
    filled: PerRole[Engine], tmp_path: Path
) -> None:
    version, _ = train(filled.pipeline, tmp_path, silent)
    with filled.admin.begin() as connection:
        connection.execute(text("UPDATE users SET taste = NULL, space = NULL WHERE user_id > 20"))
    assert train(filled.pipeline, tmp_path, silent) == (version, False)
    assert one(filled.admin, "SELECT count(*) FROM users WHERE space IS NULL") == 0


def test_a_second_training_at_once_is_refused(filled: PerRole[Engine], tmp_path: Path) -> None:
    def again(_: str) -> None:
        with pytest.raises(Failed, match="Another training runs"):
            train(filled.pipeline, tmp_path, silent)

    train(filled.pipeline, tmp_path, again)


def test_training_counts_what_is_popular(filled: PerRole[Engine], tmp_path: Path) -> None:
    train(filled.pipeline, tmp_path, silent)
    assert one(
        filled.admin, "SELECT sum(ratings_count) = (SELECT count(*) FROM movies_users_rating) FROM movies"
    )


def test_no_ratings_are_said_in_one_sentence(engines: PerRole[Engine], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no ratings to learn from"):
        train(engines.pipeline, tmp_path, silent)
