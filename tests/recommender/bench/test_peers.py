"""What every peer keeps to, and ours beside them."""

from abc import ABC, abstractmethod

import numpy as np
import pytest

from recommender.bench.linear_peers import Als, Ease, Ours, RecentEase, Svd
from recommender.bench.peers import (
    GenreKnn,
    GenrePopularity,
    ItemKnn,
    KMeansOnScore,
    Peer,
    Popularity,
    Similarity,
)
from recommender.catalogue import Catalogue, Movie
from recommender.evaluation import Ratings
from recommender.history import History

FILMS, SHOWS = range(1, 7), range(11, 17)
TOY = Catalogue(
    [
        *(Movie(i, f"Film {i}", 1990, "movie", ("Action",)) for i in FILMS),
        *(Movie(i, f"Show {i}", 2010, "show", ("Romance",)) for i in SHOWS),
    ]
)


def _fans(
    rng: np.random.Generator, first: int, count: int, own: range, other: range
) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    for user in range(first, first + count):
        liked, bad = rng.permutation(own)[:5], rng.permutation(other)[:2]
        rows += [(user, movie, 5.0 - 0.5 * (movie > 10)) for movie in liked]
        rows += [(user, movie, 1.0) for movie in bad]
    return rows


@pytest.fixture(scope="module")
def train() -> Ratings:
    """Forty people like films and not shows, twenty the other way round."""
    rng = np.random.default_rng(0)
    table = np.array([*_fans(rng, 0, 40, FILMS, SHOWS), *_fans(rng, 40, 20, SHOWS, FILMS)])
    users, movies = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return Ratings(users, movies, table[:, 2].astype(np.float32), np.arange(len(table), dtype=np.float64))


class PeerContract(ABC):
    @abstractmethod
    def make(self) -> Peer: ...

    @pytest.fixture
    def peer(self, train: Ratings) -> Peer:
        peer = self.make()
        peer.fit(train, TOY)
        return peer

    def test_what_was_rated_never_comes_back(self, peer: Peer) -> None:
        history = History.of([1, 2, 11], [5, 4.5, 1])
        assert sorted(peer.recommend(history, 20).tolist()) == [3, 4, 5, 6, *range(12, 17)]

    def test_a_list_is_as_long_as_was_asked(self, peer: Peer) -> None:
        lists = [peer.recommend(History.of([1, 2]), k).tolist() for k in (0, 1, 4)]
        assert [len(shown) for shown in lists] == [0, 1, 4]
        assert lists[1] == lists[2][:1]

    def test_somebody_who_likes_films_is_shown_a_film(self, peer: Peer) -> None:
        assert peer.recommend(History.of([1, 2], [5, 5]), 1).tolist()[0] in FILMS

    def test_movies_it_does_not_know_change_nothing(self, peer: Peer) -> None:
        known, more = History.of([1, 2]), History.of([999, 1, 2, -5])
        assert peer.recommend(more, 5).tolist() == peer.recommend(known, 5).tolist()

    def test_nobody_in_particular_gets_a_list_too(self, peer: Peer) -> None:
        assert len(set(peer.recommend(History.of([]), 5).tolist())) == 5

    def test_the_same_data_give_the_same_lists(self, peer: Peer, train: Ratings) -> None:
        again = self.make()
        again.fit(train, TOY)
        for history in (History.of([1, 2]), History.of([12, 3], [5, 2])):
            assert again.recommend(history, 8).tolist() == peer.recommend(history, 8).tolist()

    def test_asking_leaves_it_as_it_was(self, peer: Peer) -> None:
        first = peer.recommend(History.of([1]), 8).tolist()
        peer.recommend(History.of([3, 13]), 8)
        assert peer.recommend(History.of([1]), 8).tolist() == first

    def test_scores_are_one_for_each_movie(self, peer: Peer) -> None:
        scores = peer.scores(History.of([1, 2]))
        assert scores.shape == (len(TOY),) and np.isfinite(scores).all()

    def test_it_says_how_large_it_is(self, peer: Peer) -> None:
        assert peer.size_bytes() >= 4 * len(TOY)


class TestOurs(PeerContract):
    def make(self) -> Peer:
        return Ours()


class TestPopularity(PeerContract):
    def make(self) -> Peer:
        return Popularity()


class TestGenrePopularity(PeerContract):
    def make(self) -> Peer:
        return GenrePopularity()


class TestSimilarity(PeerContract):
    def make(self) -> Peer:
        return Similarity()


class TestItemKnn(PeerContract):
    def make(self) -> Peer:
        return ItemKnn()


class TestGenreKnn(PeerContract):
    def make(self) -> Peer:
        return GenreKnn()


class TestKMeansOnScore(PeerContract):
    def make(self) -> Peer:
        return KMeansOnScore()


class TestSvd(PeerContract):
    def make(self) -> Peer:
        return Svd(rank=4)


class TestEase(PeerContract):
    def make(self) -> Peer:
        return Ease()


class TestEaseOverFewMovies(PeerContract):
    def make(self) -> Peer:
        return Ease(limit=6)


class TestRecentEase(PeerContract):
    def make(self) -> Peer:
        return RecentEase()


@pytest.mark.skipif(not Als.is_installed(), reason="implicit is not installed")
class TestAls(PeerContract):
    def make(self) -> Peer:
        return Als(factors=4)


def test_the_newest_likes_count_most_where_times_are_known(train: Ratings) -> None:
    plain, recent = Ease(), RecentEase()
    for peer in (plain, recent):
        peer.fit(train, TOY)
    timed = History.of([11, 12, 1, 2, 13], times=[1, 2, 8, 9, 0])
    assert recent.recommend(timed, 1).tolist()[0] in FILMS
    assert plain.recommend(timed, 1).tolist()[0] in SHOWS
    untimed = History.of([11, 12, 1, 2, 13])
    assert recent.scores(untimed).tolist() == plain.scores(untimed).tolist()


def test_only_low_ratings_tell_something_too(train: Ratings) -> None:
    peer = ItemKnn()
    peer.fit(train, TOY)
    assert peer.recommend(History.of([11, 12], [2, 2]), 1).tolist()[0] in SHOWS


def test_each_movie_listens_only_to_its_nearest(train: Ratings) -> None:
    near, all_near = (ItemKnn(neighbours=count, shrinkage=0) for count in (2, 11))
    for peer in (near, all_near):
        peer.fit(train, TOY)
    cosines = all_near.near.toarray()
    second = np.sort(cosines, axis=0)[-2]
    assert near.near.toarray().tolist() == np.where(cosines >= second, cosines, 0).tolist()
    assert near.near.nnz < all_near.near.nnz
