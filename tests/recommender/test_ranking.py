import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalogue import Catalogue, Movie
from recommender.evaluation import Ratings
from recommender.history import History
from recommender.model import Model
from recommender.ranking import Pick, Ranker, Wish

NOBODY = History.of([])
few = settings(max_examples=40, deadline=None)  # for lists that take longer to make
histories = st.lists(
    st.tuples(st.integers(0, 245), st.sampled_from([None, 0.5, 3.0, 4.0, 5.0])), max_size=80
).map(lambda rows: History.of([10 + 3 * i for i, _ in rows], [r for _, r in rows]))
wishes = st.builds(
    Wish,
    k=st.integers(1, 40),
    genres=st.sampled_from([(), ("Horror",), ("Drama", "Western"), ("Polka",)]),
    exclude_genres=st.sampled_from([(), ("Horror", "Comedy")]),
    year_from=st.sampled_from([None, 1980]),
    year_to=st.sampled_from([None, 2000]),
    kind=st.sampled_from([None, "movie", "show"]),
    exclude=st.frozensets(st.integers(0, 245).map(lambda i: 10 + 3 * i), max_size=30),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
)


def _ids(picks: tuple[Pick, ...]) -> list[int]:
    return [pick.movie_id for pick in picks]


def fits(movie: Movie, wish: Wish) -> bool:
    year = movie.year or 0
    return (
        (not wish.genres or bool(set(wish.genres) & set(movie.genres)))
        and not set(wish.exclude_genres) & set(movie.genres)
        and (wish.year_from or 0) <= year <= (wish.year_to or 9999)
        and wish.kind in (None, movie.kind)
        and movie.movie_id not in wish.exclude
    )


@given(histories, wishes, st.frozensets(st.integers(0, 245).map(lambda i: 10 + 3 * i), max_size=20))
def test_a_list_holds_only_what_it_may_and_as_much_as_it_can(
    ranker: Ranker, movies: list[Movie], history: History, wish: Wish, dismissed: frozenset[int]
) -> None:
    shown = _ids(ranker.recommend(history, {}, wish, dismissed).picks)
    barred = set(history.movie_ids.tolist()) | dismissed
    allowed = {m.movie_id for m in movies if fits(m, wish)} - barred
    assert set(shown) <= allowed
    assert len(shown) == len(set(shown)) == min(wish.k, len(allowed))


@given(histories, st.sampled_from([{}, {"Drama": 5.0, "Horror": 0.5}]), st.sampled_from([0.0, 0.7]))
def test_the_parts_of_a_score_sum_to_it(
    ranker: Ranker, history: History, preferences: dict[str, float], diversity: float
) -> None:
    for pick in ranker.recommend(history, preferences, Wish(k=20, diversity=diversity)).picks:
        shares = [reason.share for reason in pick.because]
        assert sum(shares) + pick.because_rest + pick.prior + pick.preferences == pytest.approx(
            pick.score, abs=1e-5
        )
        assert shares == sorted(shares, reverse=True) and all(share > 0 for share in shares)
        assert len(shares) <= 3
        assert {reason.movie_id for reason in pick.because} <= set(history.movie_ids.tolist())


@given(histories)
def test_reasons_change_neither_the_list_nor_its_scores(ranker: Ranker, history: History) -> None:
    told, untold = (ranker.recommend(history, {}, Wish(explain=e)).picks for e in (True, False))
    assert [(p.movie_id, p.score) for p in told] == [(p.movie_id, p.score) for p in untold]


@given(histories)
def test_the_list_is_the_top_of_the_models_scores(ranker: Ranker, model: Model, history: History) -> None:
    scores = model.scores(model.taste(history))
    scores[model.rows(history.movie_ids[np.isin(history.movie_ids, model.movie_ids)])] = -np.inf
    expected = np.sort(scores)[::-1][:10]
    shown = _ids(ranker.recommend(history, {}, Wish()).picks)
    np.testing.assert_allclose(scores[model.rows(shown)], expected, atol=1e-6)


def test_the_reason_named_first_is_the_one_that_matters_most(ranker: Ranker) -> None:
    history = History.of([10, 40, 70, 100, 130], [5, 5, 5, 5, 5])
    pick = ranker.recommend(history, {}, Wish(k=1)).picks[0]
    model = ranker.model
    assert model is not None
    taste, row = model.taste(history), model.rows([pick.movie_id])[0]
    parts = {
        int(model.movie_ids[own]): float(value * model.left[own] @ (taste.trust * model.right[row]))
        for own, value in zip(taste.rows, taste.values, strict=True)
    }
    assert [reason.movie_id for reason in pick.because] == sorted(parts, key=parts.__getitem__)[:-4:-1]
    assert [reason.share for reason in pick.because] == pytest.approx(
        sorted(parts.values())[:-4:-1], abs=1e-5
    )


def test_the_source_says_what_the_list_rests_on(ranker: Ranker) -> None:
    assert ranker.recommend(History.of([10]), {"Drama": 5.0}, Wish()).source == "model"
    assert ranker.recommend(NOBODY, {"Drama": 5.0}, Wish()).source == "preferences"
    assert ranker.recommend(History.of([2]), {"Drama": 5.0}, Wish()).source == "preferences"
    assert ranker.recommend(NOBODY, {}, Wish()).source == "popular"
    assert ranker.recommend(History.of([2]), {"Polka": 5.0}, Wish()).source == "popular"


def test_with_nothing_known_the_list_is_by_likes_and_the_prior_is_the_score(
    ranker: Ranker, catalogue: Catalogue
) -> None:
    picks = ranker.recommend(NOBODY, {}, Wish(k=15)).picks
    likes = catalogue.popularity[catalogue.rows(_ids(picks))]
    assert likes.tolist() == sorted(catalogue.popularity.tolist(), reverse=True)[:15]
    assert all(pick.score == pick.prior > 0 for pick in picks)


def test_without_a_model_the_list_is_popular_and_equals_keep_the_order_of_the_catalogue() -> None:
    shelf = [Movie(i, f"Film {i}", 2000, "movie", ()) for i in range(1, 7)]
    ranker = Ranker(Catalogue(shelf, {4: 6, 2: 3, 6: 3}), None)
    ranked = ranker.recommend(History.of([4]), {"Drama": 5.0}, Wish(k=4, exclude={6}))
    assert ranked.source == "popular"
    assert _ids(ranked.picks) == [2, 1, 3, 5]
    assert ranked.picks[0] == Pick(2, 0.25, prior=0.25)
    assert ranker.similar(2, 3) == []


def test_preferred_genres_fill_the_list_of_a_newcomer(ranker: Ranker, catalogue: Catalogue) -> None:
    picks = ranker.recommend(NOBODY, {"Western": 5.0}, Wish(k=10)).picks
    western = catalogue.has_genre(["Western"])[catalogue.rows(_ids(picks))]
    assert western.mean() > 0.5


def test_a_movie_newer_than_the_model_counts_as_seen_and_is_not_shown(
    model: Model, movies: list[Movie]
) -> None:
    newer = Movie(5, "Tomorrow", 2024, "movie", ("Drama",))
    ranker = Ranker(Catalogue([newer, *movies]), model)
    shown = _ids(ranker.recommend(History.of([5, 10]), {}, Wish(k=500)).picks)
    assert len(shown) == len(movies) - 1 and 5 not in shown
    assert ranker.similar(5, 3) == []


def test_a_movie_that_left_the_catalogue_is_neither_shown_nor_named(
    model: Model, movies: list[Movie], ranker: Ranker
) -> None:
    gone = {movie.movie_id for movie in movies[:60]}
    smaller = Ranker(Catalogue(movies[60:]), model)
    history = History.of(sorted(gone)[:20], [5.0] * 20)
    ranked = smaller.recommend(history, {}, Wish(k=500))
    assert ranked.source == "model"
    assert len(ranked.picks) == len(movies) - 60 and not gone & set(_ids(ranked.picks))
    assert not any(pick.because for pick in ranked.picks)
    before = {pick.movie_id: pick.score for pick in ranker.recommend(history, {}, Wish(k=500)).picks}
    assert all(pick.score == pytest.approx(before[pick.movie_id], abs=1e-5) for pick in ranked.picks)


def test_similar_movies_are_near_and_never_the_movie_itself(ranker: Ranker, catalogue: Catalogue) -> None:
    same = []
    for movie_id in catalogue.movie_ids[:40].tolist():
        found = ranker.similar(movie_id, 5)
        assert len(found) == 5 and movie_id not in [i for i, _ in found]
        assert [c for _, c in found] == sorted((c for _, c in found), reverse=True)
        assert all(-1.00001 <= c <= 1.00001 for _, c in found)
        movie = catalogue.movie(movie_id)
        assert movie is not None
        same.append(catalogue.has_genre(movie.genres)[catalogue.rows([i for i, _ in found])].mean())
    assert np.mean(same) > 0.5  # one in eight by chance


def test_movies_that_nobody_rated_are_not_near_those_that_people_rated(
    ranker: Ranker, catalogue: Catalogue, ratings: Ratings
) -> None:
    rated = np.unique(ratings.movie_ids)
    near = [[movie for movie, _ in ranker.similar(movie_id, 5)] for movie_id in rated.tolist()]
    assert (~np.isin(near, rated)).mean() < 1 - len(rated) / len(catalogue)


def test_lists_of_an_empty_catalogue_are_empty(model: Model) -> None:
    for known in (model, None):
        assert Ranker(Catalogue([]), known).recommend(History.of([10]), {}, Wish()).picks == ()
