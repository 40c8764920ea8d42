"""What parameters are chosen on: draws from the ratings to learn from, in both protocols."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import Catalogue
from recommender.errors import NothingToDo
from recommender.evaluation import (
    FEWEST_LIKES,
    Case,
    Ints,
    Ratings,
    Split,
    strong_split,
    temporal_split,
)
from recommender.history import LIKED, History
from recommender.statistics import newest

STRONG, TEMPORAL = "strong", "temporal"
FEWEST = 200  # users with likes enough; of fewer, what was chosen did not hold for others
_SEED = 1000  # the benchmark's start at 0
_PARTS, _HELD_OUT, _MOST = 3, 0.25, 5_000  # trials of held-out users, and the users of a trial
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Trial:
    name: str
    protocol: str
    users: NDArray[np.int32]  # codes from 0, one entry for each rating to learn from
    rows: NDArray[np.int32]  # of the catalogue
    ratings: NDArray[np.float32]
    cases: tuple[Case, ...]

    @property
    def asked(self) -> Ints:
        return np.array([case.user for case in self.cases], np.int64)


def trials(catalogue: Catalogue, ratings: Ratings, only_likes: bool = False) -> tuple[Trial, ...]:
    """Three of held-out users and one in time order; none in time order where times are not known."""
    known = ratings.take(np.flatnonzero(catalogue.rows(ratings.movie_ids) >= 0))
    known = known.take(np.flatnonzero(newest(known.users, known.movie_ids, known.times)))
    codes = np.unique(known.users, return_inverse=True)[1]
    enough = np.bincount(codes, known.ratings >= LIKED)[codes] >= FEWEST_LIKES
    timed = enough & (np.bincount(codes, np.isnan(known.times))[codes] == 0)
    users = _count(codes[enough])
    if users < FEWEST:
        raise NothingToDo(
            f"{users:,} users have {FEWEST_LIKES} likes or more: of fewer than {FEWEST}, chance would choose."
        )
    held_out = min(round(_HELD_OUT * users), _MOST)
    found = [(f"{STRONG} {part + 1}", _strong(known, enough, held_out, part)) for part in range(_PARTS)]
    if _count(codes[timed]) >= FEWEST:
        found.append((TEMPORAL, _temporal(known, timed)))
    return tuple(_trial(name, split, catalogue, only_likes) for name, split in found)


def _count(codes: NDArray[np.intp]) -> int:
    return len(np.unique(codes))


def _strong(ratings: Ratings, enough: Bools, held_out: int, part: int) -> Split:
    split = strong_split(ratings.take(np.flatnonzero(enough)), _SEED, held_out, part)
    return _with_others(split, ratings, enough)


def _temporal(ratings: Ratings, timed: Bools) -> Split:
    split = temporal_split(ratings.take(np.flatnonzero(timed)))
    drawn = np.sort(np.random.default_rng(_SEED).permutation(len(split.cases))[:_MOST])
    asked = replace(split, cases=tuple(split.cases[place] for place in drawn))
    return _with_others(asked, ratings, timed)


def _with_others(split: Split, ratings: Ratings, asked: Bools) -> Split:
    """Users who cannot be asked about are learned from all the same."""
    others = ratings.take(np.flatnonzero(~asked))
    names = ("users", "movie_ids", "ratings", "times")
    joined = [np.concatenate([getattr(split.train, name), getattr(others, name)]) for name in names]
    return replace(split, train=Ratings(*joined))


def _trial(name: str, split: Split, catalogue: Catalogue, only_likes: bool) -> Trial:
    codes = np.unique(split.train.users, return_inverse=True)[1].astype(np.int32)
    rows = catalogue.rows(split.train.movie_ids).astype(np.int32)
    cases = tuple(map(_liked, split.cases)) if only_likes else split.cases
    return Trial(name, name.split()[0], codes, rows, split.train.ratings, cases)


def _liked(case: Case) -> Case:
    own, kept = case.history, case.history.ratings >= LIKED
    return replace(case, history=History(own.movie_ids[kept], own.ratings[kept], own.times[kept]))
