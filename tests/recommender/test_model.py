import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.catalogue import Catalogue
from recommender.errors import BadArtifact
from recommender.evaluation import Ratings
from recommender.history import History
from recommender.model import Model, Parameters, fit_model, parameters_of, rank_for

FILES = ["card.json", "genre_factors.npy", "left.npy", "movie_ids.npy", "prior.npy", "right.npy"]


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    model.save(tmp_path / "kept")
    return tmp_path / "kept"


def _rewrite(folder: Path, name: str, table: NDArray[Any]) -> None:
    """Another table with a card that vouches for it: only what the table holds can give it away."""
    np.save(folder / name, table)
    card = json.loads((folder / "card.json").read_text())
    card["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))


def test_a_saved_model_is_the_same_when_loaded(model: Model, folder: Path) -> None:
    loaded = Model.load(folder, model.version)
    assert loaded.version == model.version
    assert loaded.card == model.card
    assert loaded.parameters == model.parameters
    history = History.of([10, 40, 70], [5, 4, 2])
    np.testing.assert_array_equal(loaded.scores(loaded.taste(history)), model.scores(model.taste(history)))


def test_a_folder_holds_plain_files_and_nothing_else(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["kept"]


def test_two_fits_of_the_same_data_give_the_same_bytes(
    model: Model, catalogue: Catalogue, ratings: Ratings, folder: Path, tmp_path: Path
) -> None:
    again = fit_model(catalogue, ratings.users, ratings.movie_ids, ratings.ratings)
    assert again.save(tmp_path / "again") == model.version
    assert [(tmp_path / "again" / f).read_bytes() for f in FILES] == [
        (folder / f).read_bytes() for f in FILES
    ]


def test_the_version_tells_other_data_and_other_parameters(
    model: Model, catalogue: Catalogue, ratings: Ratings
) -> None:
    marks = ratings.users, ratings.movie_ids, ratings.ratings
    assert fit_model(catalogue, *marks, Parameters(prior=0.2)).version != model.version
    assert fit_model(catalogue, *marks, data={"rows": 3}).version != model.version


def test_the_rank_grows_with_the_catalogue_unless_a_number_is_given(
    model: Model, catalogue: Catalogue, ratings: Ratings
) -> None:
    sizes = (3, 1297, 1682, 5569, 7800, 60_000)
    assert [rank_for(movies) for movies in sizes] == [32, 112, 112, 224, 256, 256]
    assert model.card["rank"] == model.right.shape[1] == rank_for(model.card["solved_movies"])
    narrow = fit_model(catalogue, ratings.users, ratings.movie_ids, ratings.ratings, Parameters(rank=5))
    assert narrow.card["rank"] == narrow.right.shape[1] == 5


def test_a_card_of_older_defaults_means_what_it_meant(model: Model, folder: Path) -> None:
    older = {
        "values": [0.0, 0.2, 0.6, 1.0, 1.2],
        "taste_values": [0.0, 0.0, 0.3, 1.0, 1.7],
        "ridge": 40.0,
        "feature_weight": 3.0,
        "rank": 256,
        "prior": 0.15,
        "prior_half": 5.0,
        "preference": 3.0,
        "recency_span": 7.0,
        "recency_floor": 0.15,
        "dense_limit": 20_000,
    }
    assert set(model.card["parameters"]) == set(older)  # a reader of that time knows no others
    model.telling(parameters=older, fold={}).save(folder)
    loaded = Model.load(folder)
    assert loaded.parameters == parameters_of({"parameters": {**older, "doubt": 0.0}})
    np.testing.assert_array_equal(loaded.taste(History.of([10], [5])).trust, 1)
    assert loaded.parameters.rank == 256 and loaded.parameters.recency_span == 7.0
    assert loaded.taste(History.of([10], [5])).values.tolist() == pytest.approx([1.7])


def test_saving_again_replaces_what_was_there(model: Model, folder: Path) -> None:
    (folder / "left.npy").write_bytes(b"torn")
    model.save(folder)
    assert Model.load(folder).version == model.version


@pytest.mark.parametrize("name", FILES)
def test_a_torn_file_is_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BadArtifact):
        Model.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadArtifact):
        Model.load(folder)


def test_a_changed_byte_is_refused(folder: Path) -> None:
    content = bytearray((folder / "right.npy").read_bytes())
    content[-3] ^= 1
    (folder / "right.npy").write_bytes(content)
    with pytest.raises(BadArtifact, match=r"right\.npy"):
        Model.load(folder)


def test_another_version_than_the_one_asked_for_is_refused(folder: Path) -> None:
    with pytest.raises(BadArtifact, match="0123456789abcdef"):
        Model.load(folder, "0123456789abcdef")


def test_a_table_that_is_not_finite_is_refused(folder: Path, model: Model) -> None:
    table = model.left.copy()
    table[3, 2] = np.nan
    _rewrite(folder, "left.npy", table)
    with pytest.raises(BadArtifact, match="finite"):
        Model.load(folder)


def test_a_table_of_another_shape_is_refused(folder: Path, model: Model) -> None:
    _rewrite(folder, "left.npy", model.left[:-1])
    with pytest.raises(BadArtifact, match="shape"):
        Model.load(folder)


def test_ids_out_of_order_are_refused(folder: Path, model: Model) -> None:
    _rewrite(folder, "movie_ids.npy", model.movie_ids[::-1])
    with pytest.raises(BadArtifact, match="ascend"):
        Model.load(folder)


def test_a_pickle_is_refused(folder: Path) -> None:
    _rewrite(folder, "prior.npy", np.array([{"a": 1}], object))
    with pytest.raises(BadArtifact):
        Model.load(folder)


def test_a_format_of_the_future_is_refused(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"format": 99}))
    with pytest.raises(BadArtifact, match="99"):
        Model.load(folder)


def test_a_loaded_table_is_mapped_not_read(folder: Path) -> None:
    loaded = Model.load(folder)
    assert isinstance(loaded.right.base, np.memmap)
    assert not loaded.right.flags.writeable


def test_unknown_movies_and_genres_say_nothing(model: Model) -> None:
    plain = model.taste(History.of([10, 40], [5, 4]))
    more = model.taste(History.of([10, 2, 40, 99_999], [5, 5, 4, 5]), {"Polka": 5.0})
    np.testing.assert_array_equal(plain.vector, more.vector)
    assert plain.prior_weight == more.prior_weight


def test_a_genre_that_is_preferred_rises_and_one_that_is_not_falls(
    model: Model, catalogue: Catalogue
) -> None:
    neutral = model.scores(model.taste(History.of([])))
    horror = catalogue.has_genre(["Horror"])
    for mark, sign in ((5.0, 1), (0.5, -1)):
        change = model.scores(model.taste(History.of([]), {"Horror": mark})) - neutral
        assert sign * change[horror].mean() > sign * change[~horror].mean()


def test_popularity_weighs_less_the_longer_the_history(model: Model) -> None:
    ids = model.movie_ids.tolist()
    weights = [model.taste(History.of(ids[:n])).prior_weight for n in range(20)]
    assert weights[0] == model.parameters.prior
    assert (np.diff(weights) < 0).all()


def test_a_few_ratings_are_believed_in_what_people_differ_most_in_and_many_in_all(model: Model) -> None:
    ids = model.movie_ids.tolist()
    trusts = [model.taste(History.of(ids[:n])).trust for n in (1, 2, 5, 40)]
    fine = [float(trust[-1] / trust[0]) for trust in trusts]
    assert fine == sorted(fine) and fine[0] < 0.1
    np.testing.assert_allclose(trusts[-1], 1, atol=1e-4)


def test_what_is_preferred_is_believed_as_it_is_said(model: Model) -> None:
    wishes, rated = {"Horror": 5.0}, History.of([10])
    added = model.taste(rated, wishes).vector - model.taste(rated).vector
    np.testing.assert_allclose(added, model.taste(History.of([]), wishes).vector, atol=1e-5)


def test_the_newest_rating_weighs_most_when_times_are_known(model: Model) -> None:
    taste = model.taste(History.of([10, 40, 70, 13], None, [3.0, 1.0, 2.0, None]))
    by_id = dict(zip(model.movie_ids[taste.rows].tolist(), taste.values.tolist(), strict=True))
    assert by_id[10] == 1.0
    assert by_id[10] > by_id[70] > by_id[40] > by_id[13]


def test_untimed_ratings_tie_just_after_the_last_timed(model: Model) -> None:
    floor, span = model.parameters.recency_floor, model.parameters.recency_span
    taste = model.taste(History.of([10, 13, 40, 70], None, [None, None, 2.0, 1.0]))
    expected = [floor + (1 - floor) * np.exp(-place / span) for place in (2, 2, 1, 0)]
    assert sorted(taste.values.tolist()) == pytest.approx(sorted(expected))


@given(st.permutations([10, 13, 40, 70, 100]))
def test_within_equal_times_order_means_nothing(model: Model, ids: list[int]) -> None:
    seconds = {10: 1.0, 13: 2.0, 40: 2.0, 70: 2.0, 100: 3.0}
    expected = model.taste(History.of(sorted(ids), None, [seconds[i] for i in sorted(ids)])).vector
    taste = model.taste(History.of(ids, None, [seconds[i] for i in ids]))
    np.testing.assert_allclose(taste.vector, expected, rtol=1e-5, atol=1e-5)


@given(st.permutations([10, 13, 40, 70, 100]))
def test_without_times_order_means_nothing(model: Model, ids: list[int]) -> None:
    expected = model.taste(History.of(sorted(ids))).vector
    np.testing.assert_allclose(model.taste(History.of(ids)).vector, expected, rtol=1e-5, atol=1e-5)


@given(st.lists(st.tuples(st.integers(0, 239), st.sampled_from([0.5, 2.0, 3.5, 5.0])), max_size=60))
def test_a_score_is_the_sum_of_its_parts(model: Model, rated: list[tuple[int, float]]) -> None:
    taste = model.taste(History.of([10 + 3 * i for i, _ in rated], [r for _, r in rated]), {"Drama": 4.0})
    parts = taste.values[:, None] * (model.left[taste.rows] @ (taste.trust * model.right).T)
    total = parts.sum(axis=0) + model.right @ taste.preferences + taste.prior_weight * model.prior
    np.testing.assert_allclose(model.scores(taste), total, atol=1e-5)
