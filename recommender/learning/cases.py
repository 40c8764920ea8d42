"""Whom the gate asks about: held-out users, whom no model was trained on, and everybody's newest day."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation import FEWEST_LIKES, Case, Ints, Ratings, target_count
from recommender.files import Store
from recommender.history import LIKED, History
from recommender.learning.snapshots import CATALOGUE, GATE, NEWEST, open_snapshot
from recommender.manifests import verify

MOST = 5_000
NEW, LIGHT = 5, 50  # ratings that a new and a light user has at most
SEGMENTS = ("new", "light", "heavy")
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cases:
    strong: tuple[Case, ...]  # held-out users
    newest: tuple[Case, ...]  # the newest day
    head: Ints
    popularity: Mapping[int, int]  # ratings of each movie that the candidate was trained on


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the cases: `cases[i]` stands at `places[i]` among all, its targets perhaps narrowed."""

    places: tuple[int, ...]
    cases: tuple[Case, ...]


def read_cases(data: Store, digest: str) -> Cases:
    """From the snapshot that the candidate was trained on."""
    snapshot = open_snapshot(data, digest)
    for entry in snapshot.manifest.files:
        if entry.path in (GATE, NEWEST, CATALOGUE):
            verify(data, snapshot.folder, entry)
    on_day = snapshot.table(NEWEST, ("on_day",))["on_day"].to_numpy()
    rated = snapshot.table(CATALOGUE, ("movie_id", "ratings"))
    movie_ids, ratings = rated["movie_id"].to_numpy(), rated["ratings"].to_numpy()
    return Cases(
        strong_cases(snapshot.ratings(GATE)),
        newest_cases(snapshot.ratings(NEWEST), on_day),
        head_of(movie_ids, ratings),
        dict(zip(movie_ids.tolist(), ratings.tolist(), strict=True)),
    )


def strong_cases(ratings: Ratings, most: int = MOST) -> tuple[Case, ...]:
    """Of each user a fifth of the likes, drawn, are the targets; the history has no times.

    The draw is a hash of user and movie, so that every version is asked the same of the same user.
    """
    users, likes = np.unique(ratings.users[ratings.ratings >= LIKED], return_counts=True)
    enough = users[likes >= FEWEST_LIKES].tolist()
    asked = nsmallest(most, enough, key=lambda user: _hash(f"gate{user}"))
    own = ratings.take(np.flatnonzero(np.isin(ratings.users, asked)))
    drawn = {case.user: case for case in (_drawn(own.take(rows)) for rows in _rows_by_user(own))}
    return tuple(drawn[user] for user in asked)


def newest_cases(ratings: Ratings, on_day: Bools) -> tuple[Case, ...]:
    """What a user liked on the day are the targets; what was rated before, with its times, the history."""
    found = [_split(ratings.take(rows), on_day[rows]) for rows in _rows_by_user(ratings)]
    return tuple(case for case in found if len(case.targets))


def _rows_by_user(ratings: Ratings) -> list[NDArray[np.intp]]:
    if not len(ratings):
        return []
    order = np.lexsort((ratings.movie_ids, ratings.users))
    return np.split(order, np.flatnonzero(np.diff(ratings.users[order])) + 1)


def _drawn(own: Ratings) -> Case:
    user, likes = int(own.users[0]), own.movie_ids[own.ratings >= LIKED].tolist()
    likes.sort(key=lambda movie_id: _hash(f"{user} {movie_id}"))
    targets = np.array(likes[: target_count(len(likes))], np.int64)
    kept = ~np.isin(own.movie_ids, targets)
    return Case(user, History.of(own.movie_ids[kept], own.ratings[kept]), targets)


def _split(own: Ratings, today: Bools) -> Case:
    history = History.of(own.movie_ids[~today], own.ratings[~today], own.times[~today])
    liked = own.movie_ids[today & (own.ratings >= LIKED)]
    return Case(int(own.users[0]), history, np.setdiff1d(liked, history.movie_ids))


def _hash(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def head_of(movie_ids: Ints, ratings: Ints) -> Ints:
    """The fewest movies that together hold half of the ratings, ascending."""
    order = np.lexsort((movie_ids, -ratings))
    before = np.cumsum(ratings[order]) - ratings[order]
    return np.sort(movie_ids[order[2 * before < ratings.sum()]])


def segment(case: Case) -> str:
    size = len(case.history)
    return SEGMENTS[int(size > NEW) + int(size > LIGHT)]


def groups(cases: Sequence[Case], head: Ints) -> dict[str, Group]:
    """All users, those of each segment, and all who have targets in the head or in the tail."""
    found = {"all": list(enumerate(cases))}
    for name in SEGMENTS:
        found[name] = [(i, case) for i, case in enumerate(cases) if segment(case) == name]
    for name, outside in (("head", False), ("tail", True)):
        narrowed = [replace(c, targets=c.targets[np.isin(c.targets, head, invert=outside)]) for c in cases]
        found[name] = [(i, case) for i, case in enumerate(narrowed) if len(case.targets)]
    return {name: Group(*_unzipped(some)) for name, some in found.items() if some}


def _unzipped(some: list[tuple[int, Case]]) -> tuple[tuple[int, ...], tuple[Case, ...]]:
    return tuple(i for i, _ in some), tuple(case for _, case in some)
