"""How good a list is, on what was held back: the whole catalogue ranked, everything rated removed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recommender.errors import BadInput
from recommender.history import LIKED, History
from recommender.ranking import Ranker, Wish

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Recommend = Callable[[History, int], Sequence[int] | Ints]

FEWEST_LIKES = 5  # users with fewer say too little
_TARGET_SHARE = 0.2
_HELD_OUT_SHARE, _HELD_OUT_LEAST = 0.2, 150
_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Ratings:
    """Parallel arrays; times in unix seconds, NaN = unknown."""

    users: Ints
    movie_ids: Ints
    ratings: NDArray[np.float32]
    times: Floats

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: NDArray[np.intp]) -> "Ratings":
        return Ratings(self.users[rows], self.movie_ids[rows], self.ratings[rows], self.times[rows])


@dataclass(frozen=True, slots=True)
class Case:
    """One user to recommend for."""

    user: int
    history: History
    targets: Ints
    shown: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # before, and not to be listed


@dataclass(frozen=True, slots=True)
class Split:
    train: Ratings
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Metrics:
    """One value per case, in the order of the cases, so that two models can be compared in pairs."""

    recall: Floats
    ndcg: Floats
    coverage: float  # share of the catalogue that was recommended to somebody


@dataclass(frozen=True, slots=True)
class Average:
    """A mean over users; nineteen times in twenty the true one is between low and high."""

    users: int
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> Self:
        mean = float(values.mean())
        reach = _NORMAL_95 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else 1.0
        return cls(len(values), mean, max(0.0, mean - reach), min(1.0, mean + reach))


def strong_split(ratings: Ratings, seed: int, held_out: int | None = None, part: int = 0) -> Split:
    """Whole users held out; of each a random 80 % of the likes and all low ratings are the history.

    The histories carry no times: the order of a random draw means nothing. Parts of one seed share no user.
    """
    rng = np.random.default_rng(seed)
    rows = list(by_user(ratings))
    count = held_out or max(_HELD_OUT_LEAST, round(_HELD_OUT_SHARE * len(rows)))
    tested = np.sort(rng.permutation(len(rows))[part * count : (part + 1) * count])
    if len(tested) == len(rows):
        raise BadInput(f"{len(rows)} users with {FEWEST_LIKES} likes are too few to hold {count} out")
    cases = [_drawn(ratings.take(rows[user]), rng) for user in tested]
    kept = np.delete(np.arange(len(rows)), tested)
    return Split(ratings.take(np.concatenate([rows[user] for user in kept])), tuple(cases))


def temporal_split(ratings: Ratings) -> Split:
    """Each user's last 20 % of likes are the targets; what precedes the first is training and history."""
    cases, train = [], []
    for rows in by_user(ratings):
        own = ratings.take(rows)
        likes = np.flatnonzero(own.ratings >= LIKED)
        first = likes[-target_count(len(likes))]
        before = own.take(np.arange(first))
        train.append(rows[:first])
        history = History.of(before.movie_ids, before.ratings, before.times)
        cases.append(Case(int(own.users[0]), history, own.movie_ids[likes[likes >= first]]))
    if not cases:
        raise BadInput(f"no user has {FEWEST_LIKES} likes")
    return Split(ratings.take(np.concatenate(train)), tuple(cases))


def by_user(ratings: Ratings) -> Iterator[NDArray[np.intp]]:
    """The rows of each user who has likes enough, in time order."""
    order = np.lexsort((ratings.movie_ids, ratings.times, ratings.users))
    ends = np.flatnonzero(np.diff(ratings.users[order])) + 1
    for rows in np.split(order, ends):
        if np.count_nonzero(ratings.ratings[rows] >= LIKED) >= FEWEST_LIKES:
            yield rows


def target_count(likes: int) -> int:
    return max(1, round(_TARGET_SHARE * likes))


def _drawn(own: Ratings, rng: np.random.Generator) -> Case:
    likes = own.movie_ids[own.ratings >= LIKED]
    targets = rng.permutation(likes)[: target_count(len(likes))]
    kept = ~np.isin(own.movie_ids, targets)
    return Case(int(own.users[0]), History.of(own.movie_ids[kept], own.ratings[kept]), targets)


def lists_for(recommend: Recommend, cases: Sequence[Case], k: int = 10) -> list[Ints]:
    return [np.asarray(recommend(case.history, k)[:k], np.int64) for case in cases]


def lists_of(ranker: Ranker, cases: Sequence[Case], k: int = 10) -> list[Ints]:
    """As served, but without what was shown before."""
    wishes = (Wish(k=k, explain=False, exclude=case.shown.tolist()) for case in cases)
    ranked = (ranker.recommend(case.history, {}, wish) for case, wish in zip(cases, wishes, strict=True))
    return [np.array([pick.movie_id for pick in list_.picks], np.int64) for list_ in ranked]


def scored(lists: Sequence[Ints], cases: Sequence[Case], catalogue_size: int, k: int = 10) -> Metrics:
    """List i was made for case i."""
    hits = [np.isin(shown, case.targets) for shown, case in zip(lists, cases, strict=True)]
    sizes = [min(k, len(case.targets)) for case in cases]
    shown = np.unique(np.concatenate([np.empty(0, np.int64), *lists]))
    return Metrics(
        np.array([hit.sum() / size for hit, size in zip(hits, sizes, strict=True)], np.float64),
        np.array([_ndcg(hit, size) for hit, size in zip(hits, sizes, strict=True)], np.float64),
        len(shown) / max(1, catalogue_size),
    )


def _ndcg(hits: NDArray[np.bool_], ideal: int) -> float:
    discounts = 1 / np.log2(np.arange(2, max(len(hits), ideal) + 2))
    return float(discounts[: len(hits)][hits].sum() / discounts[:ideal].sum())


def paired(ours: Floats, theirs: Floats, users: Ints | None = None) -> tuple[float, float]:
    """The mean difference over the same cases, and its standard error.

    ``users`` tells whose each case is, where several may be one user's: those are not independent.
    """
    differences = ours - theirs
    mean = float(differences.mean())
    if users is None:
        return mean, float(differences.std(ddof=1) / np.sqrt(len(differences)))
    sums = np.bincount(np.unique(users, return_inverse=True)[1], differences - mean)
    few = len(sums) / max(1, len(sums) - 1)
    return mean, float(np.sqrt(few * np.square(sums).sum()) / len(differences))
