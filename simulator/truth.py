"""What viewers truly thought of the lists that they were shown, which no platform ever knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from simulator.movies import Floats, Rows

K = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """One list. Regret and `served` are in the unit of the liking, for each of the K places."""

    regret: float
    ndcg: float  # 1: the best titles, in their order; 0: none is better than the average title
    served: float


def judge(liking: Floats, seen: Rows, shown: Sequence[int], k: int = K) -> Judged:
    """`liking` of every movie; `seen` and `shown` are rows.

    A place that is empty, or has a title that was seen or stands above already, is as bad as the worst title.
    """
    unseen = np.ones(len(liking), bool)
    unseen[seen] = False
    ranked = np.sort(liking[unseen])[::-1]
    places = min(k, len(ranked))
    good = [row for row in dict.fromkeys(shown[:k]) if unseen[row]]
    got = np.full(places, ranked[-1] if places else 0.0)
    got[: len(good)] = liking[good]
    ideal = ranked[:places]
    return Judged(
        regret=float((ideal - got).mean()) if places else 0.0,
        ndcg=ndcg(got, ideal, float(ranked.mean())) if places else 1.0,
        served=float(got.mean()) if places else 0.0,
    )


def ndcg(got: Floats, ideal: Floats, average: float) -> float:
    """The gain of a title is how much more it is liked than the average one that is left."""
    discount = 1 / np.log2(np.arange(2, len(ideal) + 2))
    best = float(np.maximum(ideal - average, 0) @ discount)
    return float(np.maximum(got - average, 0) @ discount) / best if best else 1.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over lists, so that those of two days can be added."""

    lists: int = 0
    regret: float = 0.0
    ndcg: float = 0.0
    served: float = 0.0
    taken: int = 0
    pleasure: float = 0.0  # true liking of what was taken from the lists

    @classmethod
    def of(cls, judged: Judged, pleasures: Sequence[float] = ()) -> Self:
        return cls(1, judged.regret, judged.ndcg, judged.served, len(pleasures), sum(pleasures))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.lists + other.lists,
            self.regret + other.regret,
            self.ndcg + other.ndcg,
            self.served + other.served,
            self.taken + other.taken,
            self.pleasure + other.pleasure,
        )

    def record(self) -> dict[str, Any]:
        """Means, each over the lists but `pleasure`, which is over what was taken."""
        lists, taken = max(self.lists, 1), max(self.taken, 1)
        return {
            "lists": self.lists,
            "regret": round(self.regret / lists, 5),
            "ndcg": round(self.ndcg / lists, 5),
            "served": round(self.served / lists, 5),
            "taken": round(self.taken / lists, 5),
            "pleasure": round(self.pleasure / taken, 5),
        }


class Exposure:
    """How often each movie was shown."""

    def __init__(self, movies: int) -> None:
        self.shown = np.zeros(movies, np.int64)

    def show(self, rows: Sequence[int]) -> None:
        np.add.at(self.shown, np.asarray(rows, np.int64), 1)

    def record(self) -> dict[str, float]:
        return {"coverage": round(coverage(self.shown), 5), "gini": round(gini(self.shown), 5)}


def coverage(shown: Rows) -> float:
    """Share of the catalogue that was shown at all."""
    return float(np.count_nonzero(shown) / max(len(shown), 1))


def gini(shown: Rows) -> float:
    """0: every movie was shown as often as any other; near 1: one had it all."""
    if not shown.sum():
        return 0.0
    ordered, count = np.sort(shown), len(shown)
    return float(2 * np.arange(1, count + 1) @ ordered / (count * ordered.sum()) - (count + 1) / count)
