from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender import factors
from recommender.catalogue import Catalogue, Movie
from recommender.errors import BadInput
from recommender.evaluation import Ratings, lists_for, scored, strong_split
from recommender.factors import Factors, completed, even_features, features, learned
from recommender.history import History
from recommender.model import Model, fit_model
from recommender.ranking import Ranker, Wish
from recommender.statistics import rating_values, summed

STARS = (0.0, 0.2, 0.6, 1.0, 1.2)


def _table(seed: int = 1, users: int = 60, movies: int = 25) -> NDArray[np.float64]:
    return (np.random.default_rng(seed).random((users, movies)) < 0.3).astype(np.float64)


def _ease(table: NDArray[np.float64], extra: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """As the paper writes it, with the features as further users."""
    inverse = np.linalg.inv(table.T @ table + extra @ extra.T + ridge * np.eye(table.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.asarray(weights)


def _gram(table: NDArray[np.float64]) -> NDArray[np.float32]:
    return (table.T @ table).astype(np.float32)


@pytest.fixture(params=["inverted", "sketched"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of many movies the matrix is not inverted; here of few neither."""
    if request.param == "sketched":
        monkeypatch.setattr(factors, "_EXACT", 0)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_at_full_rank_the_training_users_are_scored_as_by_ease_with_features() -> None:
    table = _table()
    about = np.eye(4, dtype=np.float32)[np.arange(25) % 4]
    found = learned(_gram(table), about, 10.0, 2.0, 25)
    expected = table @ _ease(table, 2.0 * about.astype(np.float64), 10.0)
    np.testing.assert_allclose(table @ found.left @ found.right.T, expected, atol=1e-4)


def test_of_movies_nobody_rated_both_sides_are_the_ridge_regression_on_features() -> None:
    rng = np.random.default_rng(2)
    found = Factors(*rng.standard_normal((2, 30, 3)).astype(np.float32))
    about, rows = rng.random((40, 4)).astype(np.float32), np.sort(rng.permutation(40)[:30])
    made, others = completed(found, rows, about), np.setdiff1d(np.arange(40), rows)
    known = about[rows].astype(np.float64)
    predicted = about[others] @ np.linalg.inv(known.T @ known + 10.0 * np.eye(4)) @ known.T
    np.testing.assert_allclose(made.left[others], predicted @ found.left, atol=1e-5)
    np.testing.assert_allclose(made.right[others], 0.25 * predicted @ found.right, atol=1e-5)
    np.testing.assert_array_equal(made.left[rows], found.left)
    np.testing.assert_array_equal(made.right[rows], found.right)


def test_iterating_finds_the_directions_of_the_full_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    table, about = _table(movies=60, users=200), np.zeros((60, 0), np.float32)
    exact = learned(_gram(table), about, 10.0, 0.0, 8)
    monkeypatch.setattr(factors, "_SMALL", 10)
    iterated = learned(_gram(table), about, 10.0, 0.0, 8)
    exact_scores, scores = (table @ f.left @ f.right.T for f in (exact, iterated))
    assert np.corrcoef(exact_scores.ravel(), scores.ravel())[0, 1] > 0.999


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("movies", [2, 3, 25])
def test_the_rank_adapts_to_a_small_catalogue(movies: int) -> None:
    about = np.ones((movies, 1), np.float32)
    found = learned(_gram(_table(movies=movies)), about, 10.0, 3.0, 256)
    assert 1 <= found.left.shape[1] <= movies


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("movies", [1, 5])
def test_ratings_that_tie_no_two_movies_together_are_refused(movies: int) -> None:
    with pytest.raises(BadInput, match="no two movies"):
        learned(np.eye(movies, dtype=np.float32), np.zeros((movies, 1), np.float32), 10.0, 3.0, 4)


@pytest.mark.usefixtures("way")
def test_ratings_that_count_for_nothing_are_refused() -> None:
    with pytest.raises(BadInput):
        learned(np.zeros((4, 4), np.float32), np.zeros((4, 1), np.float32), 10.0, 3.0, 4)


@pytest.mark.usefixtures("way")
def test_a_matrix_that_cannot_be_solved_is_refused() -> None:
    twins = np.ones((3, 3), np.float32)
    with pytest.raises(BadInput, match="cannot be solved"):
        learned(twins, np.zeros((3, 1), np.float32), 0.0, 3.0, 2)


def _of_a_hundred(threads: int) -> Factors:
    about = np.eye(20, dtype=np.float32)[np.arange(120) % 20]
    with threadpool_limits(threads):
        return learned(_gram(_table(movies=120, users=300)), about, 10.0, 2.0, 24)


@pytest.mark.usefixtures("way")
def test_threads_change_no_factor_by_more_than_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "_SMALL", 50)
    one, again, two = (_of_a_hundred(threads) for threads in (1, 1, 2))
    for side in ("left", "right"):
        first, second = getattr(one, side), getattr(two, side)
        assert getattr(again, side).tobytes() == first.tobytes()
        np.testing.assert_allclose(second, first, rtol=0, atol=1e-6 * np.abs(first).max())


def _asked(catalogue: Catalogue, model: Model) -> Callable[[History, int], NDArray[np.int64]]:
    ranker = Ranker(catalogue, model)

    def asked(history: History, k: int) -> NDArray[np.int64]:
        picks = ranker.recommend(history, {}, Wish(k=k, explain=False)).picks
        return np.array([pick.movie_id for pick in picks], np.int64)

    return asked


def test_without_an_inverse_the_lists_are_as_good_and_nearly_the_same(
    ratings: Ratings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = strong_split(ratings, 0)
    lists = []
    for most in (factors._EXACT, 0):
        monkeypatch.setattr(factors, "_EXACT", most)
        model = fit_model(catalogue, split.train.users, split.train.movie_ids, split.train.ratings)
        lists.append(lists_for(_asked(catalogue, model), split.cases, 10))
    exact, sketched = (scored(shown, split.cases, len(catalogue), 10).ndcg for shown in lists)
    ahead = exact - sketched
    assert ahead.mean() < 2 * ahead.std() / np.sqrt(len(ahead))
    shared = [len(np.intersect1d(*pair)) / 10 for pair in zip(*lists, strict=True)]
    assert np.mean(shared) > 0.9


FOUR = Catalogue(
    [
        Movie(1, "a", 1990, "movie", ("Drama",)),
        Movie(2, "b", 1994, "movie", ()),
        Movie(3, "c", 1995, "movie", ()),
        Movie(4, "d", None, "movie", ("Drama", "War")),
    ]
)


def test_a_feature_is_a_genre_or_five_years() -> None:
    about = features(FOUR.genre_matrix, FOUR.years)
    assert about.sum(axis=1).tolist() == [2, 1, 1, 2]
    assert (about[0] * about[1]).sum() == 1
    assert (about[1] * about[2]).sum() == 0


def test_to_predict_from_many_genres_say_as_much_as_one() -> None:
    about = even_features(FOUR.genre_matrix, FOUR.years)
    np.testing.assert_allclose((about**2).sum(axis=1), [3, 2, 2, 2], rtol=1e-6)  # genres, period, constant
    assert (about[:, -1] == 1).all()


def test_a_rating_between_two_stars_counts_between_them() -> None:
    np.testing.assert_allclose(rating_values([0.5, 1, 2.5, 4.5, 5], STARS), [0, 0, 0.4, 1.1, 1.2])


def test_the_gram_matrix_is_summed_over_users() -> None:
    sums = summed([7, 7, 8, 8, 9, 9], [5, 3, 5, 3, 3, 4], [4, 4, 5, 3, 4, 4], STARS, 100)
    assert sums.movie_ids.tolist() == [3, 4, 5]
    assert sums.counts.tolist() == [3, 1, 2] and sums.likes.tolist() == [2, 1, 2]
    assert sums.solved.tolist() == [3, 5]  # a single rating gives no row
    np.testing.assert_allclose(sums.gram, [[1 + 0.36 + 1, 1 + 0.72], [1.72, 1 + 1.44]], rtol=1e-6)


def test_only_the_most_rated_movies_are_solved_for() -> None:
    users, movies = [1, 2, 3, 1, 2, 1, 2, 3], [1, 1, 1, 2, 2, 3, 3, 3]
    assert summed(users, movies, [4] * 8, STARS, 2).dense.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("users", "movies", "ratings"),
    [
        ([1], [1], [5.5]),
        ([1], [1], [float("nan")]),
        ([], [], []),
        ([1, 1], [2, 2], [4, 4]),
        ([1, 2], [1], [4]),
    ],
)
def test_ratings_that_cannot_be_learned_from_are_refused(
    users: list[int], movies: list[int], ratings: list[float]
) -> None:
    with pytest.raises(BadInput):
        summed(users, movies, ratings, STARS, 100)


def test_a_movie_nobody_rated_is_liked_by_those_who_like_its_genre(
    model: Model, catalogue: Catalogue
) -> None:
    unrated = catalogue.movie_ids[-8:]
    right = model.right[model.rows(unrated)]
    for movie_id, row in zip(unrated, right, strict=True):
        movie = catalogue.movie(int(movie_id))
        assert movie is not None
        alike = catalogue.has_genre(movie.genres)[: len(catalogue) - 8]
        rated = model.left[: len(catalogue) - 8]
        assert (rated[alike] @ row).mean() > (rated[~alike] @ row).mean()


def test_a_movie_that_is_not_in_the_catalogue_is_left_out(ratings: Ratings, movies: list[Movie]) -> None:
    smaller = Catalogue(movies[20:])
    model = fit_model(smaller, ratings.users, ratings.movie_ids, ratings.ratings)
    assert model.movie_ids.tolist() == smaller.movie_ids.tolist()
