"""One list for several people. Who has got less from the places before has more say in the next one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.diversity import Floats, pool_size, varied
from recommender.history import History
from recommender.ranking import Opinion, Pick, Ranker, Reason, Source, Wish
from recommender.scores import best

HEAD_START = 0.1  # what everybody has got before the first place


@dataclass(frozen=True, slots=True)
class Member:
    history: History
    preferences: Mapping[str, float]
    dismissed: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Joint:
    """score = the sum of the members' shares, from -1 to 1."""

    movie_id: int
    score: float
    shares: tuple[Pick, ...]  # one for each member: a part of the score, and what that part is made of


@dataclass(frozen=True, slots=True)
class Together:
    sources: tuple[Source, ...]  # by member, as the satisfactions
    satisfactions: tuple[float, ...]  # what is in the list for them, over what a list of their own would have
    titles: tuple[Joint, ...]


def shared_list(ranker: Ranker, members: Sequence[Member], wish: Wish) -> Together:
    """Never a movie that a member has rated or dismissed."""
    barred = [member.history.movie_ids for member in members]
    barred += [np.fromiter(member.dismissed, np.int64) for member in members]
    opinions = [ranker.opinion(member.history, member.preferences) for member in members]
    scores = np.stack([ranker.narrowed(opinion.scores, wish, barred) for opinion in opinions])
    scales = _scales(scores)
    worth = scores / scales[:, None]
    pool = _pool(worth, wish.k)
    relevance = np.maximum(worth[:, pool], 0)
    places = varied(lambda before: _say(relevance, before), ranker.vectors(pool), wish.k, wish.diversity)
    satisfactions = _satisfactions(relevance, places)
    factors = 1 / (scales * len(members))
    titles = _titles(ranker, opinions, factors, pool[places], wish.explain)
    return Together(tuple(opinion.source for opinion in opinions), satisfactions, titles)


def _pool(scores: Floats, k: int) -> NDArray[np.intp]:
    """Rows of the catalogue among which there are the best of each member, the best of all of them first."""
    size = max(100, pool_size(k) // len(scores))
    liked = np.concatenate([best(row, size) for row in (scores.sum(axis=0), *scores)])
    _, first = np.unique(liked, return_index=True)
    return liked[np.sort(first)]


def _scales(scores: NDArray[np.float32]) -> Floats:
    """Each member's strongest score on offer, for or against: that of the best title for nearly everybody."""
    strengths = np.abs(np.where(np.isfinite(scores), scores, 0)).max(axis=1, initial=0).astype(np.float64)
    return np.where(strengths > 0, strengths, 1.0)


def _say(relevance: Floats, before: list[int]) -> Floats:
    """Proportional fairness: the steepest way up in the product of what the members have got."""
    got = HEAD_START + relevance[:, before].sum(axis=1)
    worth: Floats = (relevance / got[:, None]).sum(axis=0)
    return worth / (worth.max(initial=0) or 1)


def _satisfactions(relevance: Floats, places: list[int]) -> tuple[float, ...]:
    """From 0 to 1; 0 too for who would be pleased by nothing on offer."""
    own = -np.sort(-relevance, axis=1)[:, : len(places)].sum(axis=1)
    shared = relevance[:, places].sum(axis=1)
    return tuple(min(1.0, float(s / o)) if o > 0 else 0.0 for s, o in zip(shared, own, strict=True))


def _titles(
    ranker: Ranker, opinions: Sequence[Opinion], factors: Floats, rows: NDArray[np.intp], explain: bool
) -> tuple[Joint, ...]:
    picks = [ranker.picks(opinion, rows, explain) for opinion in opinions]
    titles = []
    for of_title in zip(*picks, strict=True):
        shares = tuple(_times(pick, factor) for pick, factor in zip(of_title, factors.tolist(), strict=True))
        titles.append(Joint(shares[0].movie_id, sum(share.score for share in shares), shares))
    return tuple(titles)


def _times(pick: Pick, factor: float) -> Pick:
    return Pick(
        pick.movie_id,
        pick.score * factor,
        tuple(Reason(reason.movie_id, reason.share * factor) for reason in pick.because),
        pick.because_rest * factor,
        pick.prior * factor,
        pick.preferences * factor,
    )
