"""How a day differs from what the champion was trained on, from files and from Postgres."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from recommender.daily.parquet import RATINGS_SCHEMA, USERS_SCHEMA, ratings_part, users_part, write_table
from recommender.errors import NothingToDo
from recommender.files import Store
from recommender.learning.drift import MUCH, SOME, Measure, divergences, drift
from recommender.local.urls import PerRole
from recommender.manifests import Making
from recommender.model import Model
from recommender.model_store import ModelStore
from tests.recommender.champions import fill, make_champion

USERS, DAY = 120, date(2025, 6, 2)  # when a third of the movies were rated
SHARES = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(any).map(lambda v: np.array(v) / sum(v))


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, ModelStore]:
    return Store.at(tmp_path / "data"), ModelStore.at(tmp_path / "models", tmp_path)


@pytest.fixture
def champion(engines: PerRole[Engine], stores: tuple[Store, ModelStore]) -> Model:
    fill(engines.admin, USERS)
    return make_champion(engines.admin, stores[1])


def silent(_stage: str, _done: int, _total: int) -> None: ...


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return list(connection.execute(text(query)).all())


def test_the_ratings_that_a_model_learned_from_do_not_drift(
    engines: PerRole[Engine], stores: tuple[Store, ModelStore], champion: Model
) -> None:
    """All of them on one day, so that the day holds what the champion's card describes."""
    with engines.admin.begin() as connection:
        connection.execute(text("UPDATE movies_users_rating SET rated_at = '2025-07-01T12:00Z'"))
    measures = drift(engines.pipeline, *stores, date(2025, 7, 1), silent)
    names = ["genres", "stars", "length", *(f"taste {i}" for i in range(1, 9))]
    assert [measure.name for measure in measures] == names
    still = [measure for measure in measures if not measure.name.startswith("taste")]
    assert all(abs(measure.psi) < 1e-6 for measure in still), still  # the order in time changed the tastes


def test_a_day_of_another_taste_drifts_and_is_kept_once(
    engines: PerRole[Engine], stores: tuple[Store, ModelStore], champion: Model
) -> None:
    with engines.admin.begin() as connection:
        connection.execute(text("UPDATE movies_users_rating SET rating = 5.0 - 4 * (movie_id % 3 / 2)"))
    first = drift(engines.pipeline, *stores, DAY, silent)
    assert drift(engines.pipeline, *stores, DAY, silent) == first
    found = {measure.name: measure for measure in first}
    assert found["stars"].psi > MUCH and found["genres"].psi > MUCH
    kept = rows(engines.admin, "SELECT measure, psi, js, samples, day, version FROM drift")
    assert {tuple(row) for row in kept} == {
        (m.name, m.psi, m.js, m.samples, DAY, champion.version) for m in first
    }


def write_day(store: Store, rated: Sequence[tuple[str, str, float]]) -> None:
    """One client's part, as `process` writes it."""
    ratings = [
        {"external_id": user, "source_id": movie, "rating": rating, "rated_at": 1e9, "line": line}
        for line, (user, movie, rating) in enumerate(rated, 2)
    ]
    counts = Counter(user for user, _, _ in rated)
    users: list[dict[str, Any]] = [
        {"external_id": user, "ratings": count, "genre_profile": [], "taste": None}
        for user, count in sorted(counts.items())
    ]
    making = Making(store, f"processed/{DAY}")
    tables = {
        ratings_part("c", 0): pa.Table.from_pylist(ratings, RATINGS_SCHEMA),
        users_part("c", 0): pa.Table.from_pylist(users, USERS_SCHEMA),
    }
    for path, table in tables.items():
        with making.file(path, table.num_rows) as stream:
            write_table(stream.as_file(), table)
    making.seal({"day": str(DAY), "source": "s", "clients": {"c": {"parts": 1}}})


def test_a_days_files_say_what_was_rated_and_postgres_who_rated(
    engines: PerRole[Engine], stores: tuple[Store, ModelStore], champion: Model
) -> None:
    with engines.admin.begin() as connection:
        connection.execute(
            text("INSERT INTO movie_sources SELECT 's', 'm' || movie_id, movie_id FROM movies")
        )
    rated = [("u1", "m1", 5.0), ("u1", "m2", 4.0), ("u2", "m4", 1.0), ("nobody", "m4", 1.0)]
    write_day(stores[0], [*rated, ("u2", "not a movie", 5.0)])
    measured = {measure.name: measure for measure in drift(engines.pipeline, *stores, DAY, silent)}
    assert (measured["genres"].samples, measured["stars"].samples) == (3, 5)
    assert measured["length"].samples == 2  # nobody is not known


def test_a_day_without_files_or_ratings_is_nothing_to_do(
    engines: PerRole[Engine], stores: tuple[Store, ModelStore], champion: Model
) -> None:
    with pytest.raises(NothingToDo, match="Nobody who is known rated anything on 2030-01-01"):
        drift(engines.pipeline, *stores, date(2030, 1, 1), silent)


def test_without_a_champion_there_is_nothing_to_compare_with(
    engines: PerRole[Engine], stores: tuple[Store, ModelStore]
) -> None:
    with pytest.raises(NothingToDo, match="No model is published"):
        drift(engines.pipeline, *stores, DAY, silent)


@given(SHARES, SHARES)
def test_divergences_are_symmetric_bounded_and_zero_only_for_equals(p: Any, q: Any) -> None:
    psi, js = divergences(p, q)
    assert (psi, js) == pytest.approx(divergences(q, p))
    assert psi >= -1e-9
    assert -1e-9 <= js <= 1
    assert divergences(p, p) == (0, 0)
    if np.abs(p - q).max() > 0.01:
        assert psi > 0 and js > 0


def test_the_index_is_as_computed_by_hand() -> None:
    psi, js = divergences(np.array([0.5, 0.5]), np.array([0.8, 0.2]))
    assert psi == pytest.approx(0.3 * np.log(0.8 / 0.5) + -0.3 * np.log(0.2 / 0.5))
    assert js == pytest.approx(0.0731, abs=1e-4)


@pytest.mark.parametrize(
    ("psi", "samples", "words"),
    [
        (SOME - 0.01, 1000, "stars: PSI 0.090, no drift (1,000 samples)"),
        (SOME, 2000, "stars: PSI 0.100, some drift (2,000 samples)"),
        (MUCH, 2000, "stars: PSI 0.250, much drift (2,000 samples)"),
        (9.0, 999, "stars: 999 samples are too few to say"),
    ],
)
def test_words_say_how_much_or_that_nobody_can_tell(psi: float, samples: int, words: str) -> None:
    assert Measure("stars", psi, 0.0, samples).words == words
