"""One list for several people: what may be in it, whose it is, and that nobody is left out."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue import Catalogue, Movie
from recommender.evaluation import Ratings
from recommender.history import History
from recommender.model import Model
from recommender.ranking import Ranker, Wish
from recommender.scores import best
from recommender.together import Member, Together, shared_list
from tests.recommender.test_ranking import few, fits, histories, wishes

members = st.builds(
    Member,
    history=histories,
    preferences=st.sampled_from([{}, {"Drama": 5.0, "Horror": 0.5}]),
    dismissed=st.frozensets(st.integers(0, 245).map(lambda i: 10 + 3 * i), max_size=9),
)
companies = st.lists(members, min_size=2, max_size=5)


def ids(made: Together) -> list[int]:
    return [title.movie_id for title in made.titles]


def fan(catalogue: Catalogue, genre: str, size: int, skip: int = 0) -> Member:
    """Who likes the best known of one genre, after those that are skipped."""
    rows = np.flatnonzero(catalogue.has_genre([genre]))
    rows = rows[np.argsort(-catalogue.popularity[rows], kind="stable")][skip : skip + size]
    return Member(History.of(catalogue.movie_ids[rows], [5.0] * len(rows)), {})


@few
@given(companies, wishes)
def test_nothing_that_a_member_has_rated_or_dismissed_and_as_much_as_there_is(
    ranker: Ranker, movies: list[Movie], company: list[Member], wish: Wish
) -> None:
    barred = {int(i) for m in company for i in [*m.history.movie_ids, *m.dismissed]}
    allowed = {m.movie_id for m in movies if fits(m, wish)} - barred
    shown = ids(shared_list(ranker, company, wish))
    assert set(shown) <= allowed
    assert len(shown) == len(set(shown)) == min(wish.k, len(allowed))


@few
@given(companies, wishes)
def test_shares_sum_to_the_score_and_parts_to_the_share(
    ranker: Ranker, company: list[Member], wish: Wish
) -> None:
    for title in shared_list(ranker, company, wish).titles:
        assert len(title.shares) == len(company)
        assert sum(share.score for share in title.shares) == pytest.approx(title.score, abs=1e-12)
        for member, share in zip(company, title.shares, strict=True):
            parts = [reason.share for reason in share.because]
            assert sum(parts) + share.because_rest + share.prior + share.preferences == pytest.approx(
                share.score, abs=1e-5
            )
            assert {r.movie_id for r in share.because} <= set(member.history.movie_ids.tolist())
            assert abs(share.score) <= 1 / len(company) + 1e-6


@few
@given(companies)
def test_reasons_change_neither_the_list_nor_its_shares(ranker: Ranker, company: list[Member]) -> None:
    told, untold = (shared_list(ranker, company, Wish(explain=explain)) for explain in (True, False))
    assert [[s.score for s in title.shares] for title in told.titles] == [
        [s.score for s in title.shares] for title in untold.titles
    ]
    assert (ids(told), told.satisfactions) == (ids(untold), untold.satisfactions)


@few
@given(members, members)
def test_two_get_the_same_list_whoever_is_named_first(ranker: Ranker, one: Member, two: Member) -> None:
    made, turned = shared_list(ranker, [one, two], Wish()), shared_list(ranker, [two, one], Wish())
    assert ids(made) == ids(turned)
    assert made.satisfactions == turned.satisfactions[::-1]


def test_people_of_one_taste_get_the_list_that_each_would_get(ranker: Ranker, catalogue: Catalogue) -> None:
    one = fan(catalogue, "Drama", 8)
    alone = ranker.recommend(one.history, {}, Wish(k=20))
    made = shared_list(ranker, [one, one, one], Wish(k=20))
    assert ids(made) == [pick.movie_id for pick in alone.picks]
    assert made.satisfactions == (1.0, 1.0, 1.0)
    assert made.titles[0].score == pytest.approx(1)


@pytest.mark.parametrize("many", [2, 4, 7])
def test_one_among_many_of_another_taste_gets_something_early(
    ranker: Ranker, catalogue: Catalogue, many: int
) -> None:
    company = [fan(catalogue, "Western", 6, skip) for skip in range(many)] + [fan(catalogue, "Horror", 3)]
    made = shared_list(ranker, company, Wish(k=10))
    worth = [title.shares[-1].score * len(company) for title in made.titles]  # 1: the best title on offer
    assert max(worth[:3]) > 0.6
    assert min(made.satisfactions) > max(0.2, 2 * by_average(ranker, company, 10))


def by_average(ranker: Ranker, company: Sequence[Member], k: int) -> float:
    """What the least satisfied gets of a list by the members' average, over a list of the own."""
    barred = [member.history.movie_ids for member in company]
    opinions = [ranker.opinion(member.history, {}) for member in company]
    scores = np.stack([ranker.narrowed(opinion.scores, Wish(), barred) for opinion in opinions])
    relevance = np.maximum(scores / scores.max(axis=1, keepdims=True), 0)
    relevance[~np.isfinite(scores)] = 0
    rows = best(relevance.mean(axis=0), k)
    return min(float(own[rows].sum() / np.sort(own)[-k:].sum()) for own in relevance)


def test_the_least_satisfied_gets_more_than_by_the_average(ranker: Ranker, ratings: Ratings) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for _ in range(60):
        company = [
            Member(History.of(own.movie_ids, own.ratings), {})
            for user in rng.choice(400, 4, replace=False)
            for own in [ratings.take(np.flatnonzero(ratings.users == user))]
        ]
        ours.append(min(shared_list(ranker, company, Wish()).satisfactions))
        theirs.append(by_average(ranker, company, 10))
    gain = np.array(ours) - np.array(theirs)
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain)) > 0


def test_a_list_of_all_there_is_satisfies_everybody_and_no_more(ranker: Ranker) -> None:
    company = [Member(History.of(range(10 * i, 10 * i + 30)), {"Drama": 1.0 + i}) for i in range(4)]
    made = shared_list(ranker, company, Wish(k=240))
    assert all(1 - 1e-9 < satisfaction <= 1 for satisfaction in made.satisfactions)


def test_who_likes_nothing_on_offer_leaves_the_choice_to_the_others(
    ranker: Ranker, catalogue: Catalogue
) -> None:
    against = Member(History.of([]), {"Western": 0.5})
    one = fan(catalogue, "Western", 5)
    wish = Wish(k=5, genres=["Western"])
    made = shared_list(ranker, [against, one], wish)
    assert made.satisfactions == (0.0, 1.0)
    assert all(title.shares[0].score < 0 for title in made.titles)
    assert ids(made) == [pick.movie_id for pick in ranker.recommend(one.history, {}, wish).picks]


def test_who_likes_hardly_anything_on_offer_is_not_louder_for_it(ranker: Ranker) -> None:
    wish = Wish(genres=["Drama"])
    for mark in np.linspace(0.5, 2.75, 46):  # the best on offer comes from below zero, and past it
        company = [Member(History.of([]), {"Drama": float(mark)}), Member(History.of([10, 13]), {})]
        shares = [title.shares[0].score for title in shared_list(ranker, company, wish).titles]
        assert max(map(abs, shares)) <= 0.5 + 1e-6


def test_sources_are_those_of_each_member(ranker: Ranker) -> None:
    company = [
        Member(History.of([10]), {}),
        Member(History.of([]), {"Drama": 5.0}),
        Member(History.of([]), {}),
    ]
    assert shared_list(ranker, company, Wish()).sources == ("model", "preferences", "popular")


def test_without_a_model_everybody_gets_the_popular() -> None:
    shelf = [Movie(i, f"Film {i}", 2000, "movie", ()) for i in range(1, 7)]
    ranker = Ranker(Catalogue(shelf, {4: 6, 2: 3, 6: 3}), None)
    made = shared_list(ranker, [Member(History.of([4]), {}), Member(History.of([]), {}, {2})], Wish(k=3))
    assert (made.sources, ids(made)) == (("popular", "popular"), [6, 1, 3])
    assert made.titles[0].score == 1


def test_of_an_empty_catalogue_there_is_nothing(model: Model) -> None:
    for known in (model, None):
        company = [Member(History.of([10]), {}), Member(History.of([]), {"Drama": 5.0})]
        made = shared_list(Ranker(Catalogue([]), known), company, Wish(diversity=0.5))
        assert (made.titles, made.satisfactions) == ((), (0.0, 0.0))
