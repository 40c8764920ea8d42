"""What else a list is judged by: how different its titles are, and whether a retrain leaves it alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recommender.bench.linear_peers import Ours
from recommender.bench.peers import K
from recommender.catalogue import Catalogue
from recommender.evaluation import Case, Floats, Ints, Ratings, Split, by_user, scored
from recommender.history import History
from recommender.ranking import Wish

DIVERSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
_LATER = 0.1  # of the training users are new to the second training


def exchange(ours: Ours, cases: Sequence[Case]) -> dict[str, dict[str, list[float]]]:
    """For each diversity the NDCG@10 and the distances within the list, user by user."""
    return {str(diversity): _varied(ours, cases, diversity) for diversity in DIVERSITIES}


def _varied(ours: Ours, cases: Sequence[Case], diversity: float) -> dict[str, list[float]]:
    wish = Wish(k=K, explain=False, diversity=diversity)
    lists = [ours.shown(case.history, {}, wish) for case in cases]
    return {
        "ndcg": scored(lists, cases, len(ours.catalogue), K).ndcg.tolist(),
        "distance": [vector_distance(ours.model.right[ours.model.rows(shown)]) for shown in lists],
        "genre_distance": [genre_distance(ours.catalogue, shown) for shown in lists],
    }


def vector_distance(vectors: "np.ndarray[Any, np.dtype[np.float32]]") -> float:
    """One less the mean cosine of two titles; a title without a vector is like no other."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths > 0, lengths, 1)
    return _distance((directions @ directions.T).astype(np.float64))


def genre_distance(catalogue: Catalogue, movie_ids: Ints) -> float:
    """One less the mean share of the genres of two titles that both have."""
    genres = catalogue.genre_matrix[catalogue.rows(movie_ids)].astype(np.float64)
    both = genres @ genres.T
    either = genres.sum(axis=1)[:, None] + genres.sum(axis=1) - both
    return _distance(both / np.maximum(either, 1))


def _distance(likeness: Floats) -> float:
    """Of a list of one title there is none."""
    pairs = likeness[np.triu_indices(len(likeness), 1)]
    return 1 - float(pairs.mean()) if len(pairs) else 0.0


def swap(ratings: Ratings, split: Split, now: Ours, seed: int) -> dict[str, dict[str, list[Any]]]:
    """The share of the top ten that stays when a model of nine in ten users gives way to ``now``, of all.

    Of users whom neither has seen, and of as many whom both have.
    """
    train = split.train
    rng = np.random.default_rng(seed)
    people = rng.permutation(np.unique(train.users))
    later, known = np.split(people, [max(1, round(_LATER * len(people)))])
    before = Ours(now.parameters)
    before.fit(train.take(np.flatnonzero(~np.isin(train.users, later))), now.catalogue)
    new = np.array([case.user for case in split.cases], np.int64)
    asked = {"new": new, "trained": known[: len(new)]}
    histories = _histories(ratings, np.concatenate(list(asked.values())))
    return {
        who: {"users": users.tolist(), "kept": [_kept(before, now, histories[u]) for u in users.tolist()]}
        for who, users in asked.items()
    }


def _histories(ratings: Ratings, users: Ints) -> dict[int, History]:
    found, theirs = {}, ratings.take(np.flatnonzero(np.isin(ratings.users, users)))
    for rows in by_user(theirs):
        own = theirs.take(rows)
        found[int(own.users[0])] = History.of(own.movie_ids, own.ratings, own.times)
    return found


def _kept(before: Ours, now: Ours, history: History) -> float:
    first, second = (ours.recommend(history, K) for ours in (before, now))
    return len(np.intersect1d(first, second)) / max(1, len(second))
