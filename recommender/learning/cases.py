"""Whom the gate asks about: held-out users, whom no model was trained on, and everybody's newest day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation import FEWEST_LIKES, Case, Ints, Ratings, target_count
from recommender.files import Store
from recommender.history import LIKED, History
from recommender.learning.gate import Unshown
from recommender.learning.shown import MOST, SHOWN, drawn, hashed
from recommender.learning.snapshots import CATALOGUE, GATE, NEWEST, open_snapshot
from recommender.manifests import verify

NEW, LIGHT = 5, 50  # ratings that a new and a light user has at most
SEGMENTS = ("new", "light", "heavy")
Bools = NDArray[np.bool_]
Shown = Mapping[int, Ints]  # movies by user
NOTHING: Shown = MappingProxyType({})
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Cases:
    strong: tuple[Case, ...]  # held-out users
    newest: tuple[Case, ...]  # the newest day
    head: Ints
    popularity: Mapping[int, int]  # ratings of each movie that the candidate was trained on
    strong_unshown: Unshown | None = None
    newest_unshown: Unshown | None = None

    @property
    def strong_fair(self) -> bool:
        """Whether a champion, whose lists they saw, is not ahead by that."""
        return self.strong_unshown is None or self.strong_unshown.enough


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the cases: `cases[i]` stands at `places[i]` among all, its targets perhaps narrowed."""

    places: tuple[int, ...]
    cases: tuple[Case, ...]


def read_cases(data: Store, digest: str) -> Cases:
    """From the snapshot that the candidate was trained on."""
    snapshot = open_snapshot(data, digest)
    for entry in snapshot.manifest.files:
        if entry.path in (GATE, NEWEST, CATALOGUE, SHOWN):
            verify(data, snapshot.folder, entry)
    on_day = snapshot.table(NEWEST, ("on_day",))["on_day"].to_numpy()
    rated = snapshot.table(CATALOGUE, ("movie_id", "ratings"))
    movie_ids, ratings = rated["movie_id"].to_numpy(), rated["ratings"].to_numpy()
    gate, newest, shown = snapshot.ratings(GATE), snapshot.ratings(NEWEST), snapshot.shown()
    strong, on_the_day = strong_cases(gate, shown), newest_cases(newest, on_day, shown)
    strong_unshown = _unshown(strong, every_strong := strong_cases(gate), shown)
    return Cases(
        strong if not strong_unshown or strong_unshown.enough else every_strong,
        on_the_day,
        head_of(movie_ids, ratings),
        dict(zip(movie_ids.tolist(), ratings.tolist(), strict=True)),
        strong_unshown,
        _unshown(on_the_day, newest_cases(newest, on_day), shown),
    )


def _unshown(left: Sequence[Case], every: Sequence[Case], shown: Shown) -> Unshown | None:
    """None where lists of ours showed nothing to those who could be asked."""
    return Unshown(len(left), len(every)) if any(case.user in shown for case in every) else None


def strong_cases(ratings: Ratings, shown: Shown = NOTHING, most: int = MOST) -> tuple[Case, ...]:
    """Of each user a fifth of the likes, drawn, are the targets; the history has no times.

    The draw is a hash of user and movie, so that every version is asked the same of the same user. What was
    shown is forgotten: it is neither asked about nor known, and may be listed. Were it known, the champion
    would list the rest without what it had mistaken for the targets, and no other model would.
    """
    users, likes = np.unique(ratings.users[ratings.ratings >= LIKED], return_counts=True)
    asked = drawn(users[likes >= FEWEST_LIKES].tolist(), most)
    own = ratings.take(np.flatnonzero(np.isin(ratings.users, asked)))
    cases = {case.user: case for case in (_drawn(own.take(rows), shown) for rows in _rows_by_user(own))}
    return tuple(cases[user] for user in asked if len(cases[user].targets))


def newest_cases(ratings: Ratings, on_day: Bools, shown: Shown = NOTHING) -> tuple[Case, ...]:
    """What a user liked on the day are the targets; what was rated before, with its times, the history.

    What was shown is neither asked about nor listed: the user had the choice among the rest.
    """
    found = [_split(ratings.take(rows), on_day[rows], shown) for rows in _rows_by_user(ratings)]
    return tuple(case for case in found if len(case.targets))


def _rows_by_user(ratings: Ratings) -> list[NDArray[np.intp]]:
    if not len(ratings):
        return []
    order = np.lexsort((ratings.movie_ids, ratings.users))
    return np.split(order, np.flatnonzero(np.diff(ratings.users[order])) + 1)


def _drawn(own: Ratings, shown: Shown) -> Case:
    user = int(own.users[0])
    own = own.take(np.flatnonzero(~np.isin(own.movie_ids, shown.get(user, _NONE))))
    likes = own.movie_ids[own.ratings >= LIKED].tolist()
    likes.sort(key=lambda movie_id: hashed(f"{user} {movie_id}"))
    asked = target_count(len(likes)) if len(likes) >= FEWEST_LIKES else 0
    targets = np.array(likes[:asked], np.int64)
    kept = ~np.isin(own.movie_ids, targets)
    return Case(user, History.of(own.movie_ids[kept], own.ratings[kept]), targets)


def _split(own: Ratings, today: Bools, shown: Shown) -> Case:
    history = History.of(own.movie_ids[~today], own.ratings[~today], own.times[~today])
    liked = own.movie_ids[today & (own.ratings >= LIKED)]
    seen = shown.get(user := int(own.users[0]), _NONE)
    return Case(user, history, np.setdiff1d(liked, np.union1d(history.movie_ids, seen)), seen)


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
