"""Where little or nothing is known: of a user, or of a title; each beside simple ways for that case."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recommender.bench.linear_peers import Ours
from recommender.bench.peers import GenrePopularity, ItemKnn, K, Peer, Popularity, Similarity
from recommender.catalogue import Catalogue
from recommender.evaluation import Case, Ints, Split, lists_for, scored
from recommender.history import LIKED, History
from recommender.model import Parameters
from recommender.ranking import Wish
from recommender.scores import best

OURS = Ours.name
LIKES = (1, 2, 3, 5)
_PREFERRED, _MARK = 3, 5.0
_LONG = 500  # ratings of a long history
_COLD_SHARE = 0.2
_FOR_FEW = 1_000, 50.0  # neighbours and shrinkage of item-kNN that suit a short history
_NOTHING = History.of([])
Lists = Mapping[str, Sequence[Ints]]  # by the name of the way, one for each case


@dataclass(frozen=True, slots=True)
class Situation:
    """NDCG@10 of each way, case by case."""

    users: list[int]
    ndcg: dict[str, list[float]]

    @classmethod
    def of(cls, cases: Sequence[Case], lists: Lists, size: int) -> "Situation":
        ndcg = {way: scored(made, cases, size, K).ndcg.tolist() for way, made in lists.items()}
        return cls([case.user for case in cases], ndcg)


@dataclass(frozen=True, slots=True)
class Little:
    """Ours and simple peers, fitted; asked for users whom none of them has seen."""

    ours: Ours
    popularity: Popularity
    by_genre: GenrePopularity
    items: ItemKnn

    @classmethod
    def of(cls, split: Split, ours: Ours) -> Self:
        found = cls(ours, Popularity(), GenrePopularity(), ItemKnn(*_FOR_FEW))
        for peer in (found.popularity, found.by_genre, found.items):
            peer.fit(split.train, ours.catalogue)
        return found

    def situations(self, cases: Sequence[Case], seed: int) -> dict[str, Situation]:
        rng = np.random.default_rng(seed)
        asked: dict[str, list[Case]] = {
            f"after {n} like{'s' * (n > 1)}": [
                _after(case, n, rng) for case in cases if len(_liked(case.history)) >= n
            ]
            for n in LIKES
        }
        asked["only low ratings"] = [low for case in cases if len((low := _only_low(case)).history)]
        asked[f"{_LONG} ratings and more"] = [case for case in cases if len(case.history) >= _LONG]
        found = {name: self._asked(cases) for name, cases in asked.items()}
        found["three preferred genres"] = self._preferring(cases)
        return {**found, "low ratings, held-out users": low_ratings(self.ours, cases)}

    def _asked(self, cases: Sequence[Case]) -> Situation:
        peers: tuple[Peer, ...] = (self.ours, self.popularity, self.by_genre, self.items)
        lists = {peer.name: lists_for(peer.recommend, cases, K) for peer in peers}
        return Situation.of(cases, lists, len(self.ours.catalogue))

    def _preferring(self, cases: Sequence[Case]) -> Situation:
        """Nothing is known but the three genres that most of the likes have."""
        catalogue, genres = self.ours.catalogue, [self._favourites(case) for case in cases]
        wish, wanted = Wish(k=K, explain=False), [np.isin(catalogue.genres, own) for own in genres]
        popular = self.popularity.recommend(_NOTHING, K)
        lists: Lists = {
            OURS: [self.ours.shown(_NOTHING, dict.fromkeys(own, _MARK), wish) for own in genres],
            self.popularity.name: [popular] * len(cases),
            self.by_genre.name: [
                catalogue.movie_ids[best(self.by_genre.of_genres(own.astype(np.float32)), K)]
                for own in wanted
            ],
        }
        return Situation.of([_to_find(case, _NOTHING) for case in cases], lists, len(catalogue))

    def _favourites(self, case: Case) -> list[str]:
        catalogue = self.ours.catalogue
        counts = catalogue.genre_matrix[catalogue.rows(_liked(case.history))].sum(axis=0)
        ranked = np.argsort(-counts, kind="stable")[:_PREFERRED]
        return [catalogue.genres[column] for column in ranked if counts[column]]


def low_ratings(ours: Ours, cases: Sequence[Case]) -> Situation:
    """What is gained by counting them, beyond keeping those titles off the list."""
    cases = [case for case in cases if (case.history.ratings < LIKED).any()]
    likes = [_of(case.history, case.history.ratings >= LIKED) for case in cases]
    lists: Lists = {
        OURS: lists_for(ours.recommend, cases, K),
        "low ratings only barred": [
            ours.shown(liked, {}, Wish(k=K, exclude=case.history.movie_ids.tolist(), explain=False))
            for case, liked in zip(cases, likes, strict=True)
        ],
        "low ratings hidden": [ours.recommend(liked, K) for liked in likes],
    }
    return Situation.of(cases, lists, len(ours.catalogue))


def cold_titles(split: Split, catalogue: Catalogue, parameters: Parameters, seed: int) -> Situation:
    """A fifth of the titles leaves training, and is ranked among itself by what is left of the histories."""
    rng = np.random.default_rng(seed)
    cold = np.sort(rng.permutation(catalogue.movie_ids)[: round(_COLD_SHARE * len(catalogue))])
    train = split.train.take(np.flatnonzero(~np.isin(split.train.movie_ids, cold)))
    cases = list(_cold_cases(split.cases, cold))
    lists: dict[str, Sequence[Ints]] = {"chance": [rng.permutation(cold)[:K] for _ in cases]}
    for peer in (Ours(parameters), Similarity()):
        peer.fit(train, catalogue)
        lists[peer.name] = [_among(peer, case.history, catalogue.rows(cold)) for case in cases]
    return Situation.of(cases, lists, len(catalogue))


def _among(peer: Peer, history: History, rows: Ints) -> Ints:
    return peer.catalogue.movie_ids[rows[best(peer.scores(history)[rows], K)]]


def _cold_cases(cases: Sequence[Case], cold: Ints) -> Iterator[Case]:
    for case in cases:
        known = ~np.isin(case.history.movie_ids, cold)
        targets = np.intersect1d(np.concatenate([_liked(case.history), case.targets]), cold)
        if len(targets) and known.any():
            yield Case(case.user, _of(case.history, known), targets)


def _liked(history: History) -> Ints:
    return history.movie_ids[history.ratings >= LIKED]


def _of(history: History, rows: NDArray[np.bool_] | NDArray[np.intp]) -> History:
    return History(history.movie_ids[rows], history.ratings[rows], history.times[rows])


def _to_find(case: Case, history: History) -> Case:
    """All other likes are to be found."""
    others = np.setdiff1d(_liked(case.history), history.movie_ids)
    return Case(case.user, history, np.concatenate([others, case.targets]))


def _after(case: Case, n: int, rng: np.random.Generator) -> Case:
    rows = rng.permutation(np.flatnonzero(case.history.ratings >= LIKED))[:n]
    return _to_find(case, _of(case.history, np.sort(rows)))


def _only_low(case: Case) -> Case:
    return _to_find(case, _of(case.history, case.history.ratings < LIKED))
