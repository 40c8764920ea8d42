"""How good our lists are beside those of peers: both protocols, little known, variety, a retrain."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.bench.apart import threads
from recommender.bench.folders import Data
from recommender.bench.linear_peers import Als, Ease, Ours, RecentEase, Svd
from recommender.bench.lists import exchange, swap
from recommender.bench.peers import GenreKnn, ItemKnn, K, KMeansOnScore, Peer, Popularity
from recommender.bench.record import Record, Unit
from recommender.bench.situations import Little, cold_titles, low_ratings
from recommender.evaluation import Case, Ints, Ratings, Split, lists_for, scored, strong_split, temporal_split
from recommender.history import LIKED
from recommender.model import Parameters
from recommender.progress import Progress

STRONG, TEMPORAL, AROUND = "strong", "temporal", "around"
_ASKED = 5_000  # users of a split; of more, so many are drawn
_TIMED, _WARM = 200, 5  # lists
_Making = Callable[[], Peer]


@dataclass(frozen=True, slots=True)
class Quality:
    data: Data
    parameters: Parameters
    seeds: Sequence[int]
    record: Record
    progress: Progress

    def run(self) -> None:
        """Each unit goes to the record when it is done; those that are there are not measured again."""
        makings = [making for making in self._peers() if making is not RecentEase]
        steps = len(self.seeds) * (len(makings) + 1) + len(self._peers())
        done = 0
        for seed in self.seeds:
            split = _asked(strong_split(self.data.ratings, seed), seed)
            for making in makings:
                self._measure(STRONG, seed, split, making)
                self.progress("models", done := done + 1, steps)
            self._around(seed, split)
            self.progress("models", done := done + 1, steps)
        split = _asked(temporal_split(self.data.ratings), 0)
        for making in self._peers():  # where the order of the ratings is known
            self._measure(TEMPORAL, 0, split, making)
            self.progress("models", done := done + 1, steps)
        self._low_in_time(split)

    def _peers(self) -> tuple[_Making, ...]:
        found: tuple[_Making, ...] = (self._ours, Ease, RecentEase, Svd, ItemKnn, GenreKnn, Popularity)
        return (*found, KMeansOnScore, *([_als] if Als.is_installed() else []))

    def _ours(self) -> Ours:
        return Ours(self.parameters)

    def _measure(self, protocol: str, seed: int, split: Split, making: _Making) -> None:
        peer = making()
        settings = {**_settings(peer), "threads": threads()}
        self.record.unit(f"{protocol}/{seed}/{peer.name}", settings, lambda: measured(peer, split, self.data))

    def _around(self, seed: int, split: Split) -> None:
        """All that is asked of ours alone, or beside simple ways."""
        self.record.unit(
            f"{AROUND}/{seed}", _settings(self._ours()), lambda: self._measured_around(seed, split)
        )

    def _measured_around(self, seed: int, split: Split) -> Unit:
        ours, catalogue = self._ours(), self.data.catalogue
        ours.fit(split.train, catalogue)
        found = Little.of(split, ours).situations(split.cases, seed)
        found["cold titles"] = cold_titles(split, catalogue, self.parameters, seed)
        return {
            "situations": {name: asdict(one) for name, one in found.items()},
            "exchange": exchange(ours, split.cases),
            "swap": swap(self.data.ratings, split, ours, seed),
        }

    def _low_in_time(self, split: Split) -> None:
        def measure() -> Unit:
            ours = self._ours()
            ours.fit(split.train, self.data.catalogue)
            return {"situations": {"low ratings, in time order": asdict(low_ratings(ours, split.cases))}}

        self.record.unit(f"{AROUND}/time", _settings(self._ours()), measure)


def measured(peer: Peer, split: Split, data: Data) -> Unit:
    start = time.perf_counter()
    peer.fit(split.train, data.catalogue)
    fit_s = time.perf_counter() - start
    lists = lists_for(peer.recommend, split.cases, K)
    found = scored(lists, split.cases, len(data.catalogue), K)
    return {
        "users": [case.user for case in split.cases],
        "ndcg": found.ndcg.tolist(),
        "recall": found.recall.tolist(),
        "coverage": found.coverage,
        "novelty": novelty(lists, split.train),
        "fit_s": fit_s,
        "list_ms": list_ms(peer, split.cases),
        "size_mb": peer.size_bytes() / 1e6,
    }


def novelty(lists: Sequence[Ints], train: Ratings) -> float:
    """The mean of -log2 of the share of training users who like what is shown."""
    liked, counts = np.unique(train.movie_ids[train.ratings >= LIKED], return_counts=True)
    likes = dict(zip(liked.tolist(), counts.tolist(), strict=True))
    users = len(np.unique(train.users))
    shown = np.concatenate([np.empty(0, np.int64), *lists]).tolist()
    return statistics.fmean(-np.log2((likes.get(i, 0) + 1) / (users + 1)) for i in shown) if shown else 0.0


def list_ms(peer: Peer, cases: Sequence[Case]) -> float:
    """The median of single lists on one thread."""
    times = []
    with threadpool_limits(1):
        for case in (*cases[:_WARM], *cases[:_TIMED]):
            start = time.perf_counter()
            peer.recommend(case.history, K)
            times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[min(_WARM, len(cases)) :])


def _als() -> Als:
    return Als(threads=threads())


def _settings(peer: Peer) -> dict[str, Any]:
    return {name: asdict(v) if isinstance(v, Parameters) else v for name, v in vars(peer).items()}


def _asked(split: Split, seed: int) -> Split:
    if len(split.cases) <= _ASKED:
        return split
    drawn = np.sort(np.random.default_rng(seed).permutation(len(split.cases))[:_ASKED])
    return replace(split, cases=tuple(split.cases[i] for i in drawn))
