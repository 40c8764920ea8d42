"""Parameters for these ratings, and what they gain where the ratings were held back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recommender.catalogue import Catalogue
from recommender.errors import BadInput
from recommender.evaluation import Ratings
from recommender.model import DEFAULTS, Parameters, rank_for
from recommender.tuning.choice import Choice
from recommender.tuning.fits import Fits
from recommender.tuning.journal import Journal
from recommender.tuning.search import Compared, Found, Measured, Taken, search
from recommender.tuning.steps import Step, ranks_near, steps
from recommender.tuning.trials import Trial, trials

Progress = Callable[[str, int, int], None]
_MEASURED_AS = 1  # to be raised when trials are drawn, or their lists measured, otherwise
_ENOUGH = 2  # ratings that a movie is solved for with


@dataclass(frozen=True, slots=True)
class Tuned:
    choice: Choice
    compared: Compared  # with what was in force; all zero where that stays
    taken: tuple[Taken, ...]
    is_better: bool


def tune(
    catalogue: Catalogue,
    ratings: Ratings,
    about: Mapping[str, Any],
    *,
    only_likes: bool = False,
    journal: Journal | None = None,
    base: Parameters = DEFAULTS,
    in_force: Choice | None = None,
    progress: Progress = lambda *_: None,
) -> Tuned:
    """``about`` names the data: what a journal holds of other data is not taken over.

    With ``only_likes`` the parameters are for histories that hold no low ratings. What is ``in_force`` stays
    unless something is better; without it that is ``base``, where the search starts.
    """
    asked = trials(catalogue, ratings, only_likes)
    before = in_force.parameters if in_force else base
    of = {**about, "history": "likes" if only_likes else "all"}
    journal = journal or Journal()
    journal.open(of | {"measured_as": _MEASURED_AS})
    rank = _rank(catalogue, ratings, base)
    plan = steps(rank)
    highest = max(*ranks_near(rank), rank, base.rank or 0, before.rank or 0)
    measure = _Measuring(catalogue, asked, highest, journal, progress, _count(plan) * len(asked))
    found = search(asked, plan, measure, base)
    start, end, old = measure([base, found.parameters, before], found.parameters)
    measure.finish()
    compared = Compared.of(asked, end, old)
    if not compared.better and in_force:
        return Tuned(in_force, Compared.of(asked, old, old), (), False)
    choice = Choice(found.parameters, of | _told(found, Compared.of(asked, end, start)))
    return Tuned(choice, compared, found.taken, compared.better)


def _rank(catalogue: Catalogue, ratings: Ratings, base: Parameters) -> int:
    """That of the size of the data, when none is given."""
    rows = catalogue.rows(ratings.movie_ids)
    counts = np.bincount(rows[rows >= 0])
    return rank_for(min(int(np.count_nonzero(counts >= _ENOUGH)), base.dense_limit))


def _count(plan: Sequence[Step]) -> int:
    """Of measurements on one trial: each step's options and what was before, and the start and the end."""
    return sum(1 + len(step.options) for step in plan) + 5


def _told(found: Found, gains: Compared) -> dict[str, Any]:
    taken = [asdict(one) for one in found.taken]
    return {"gains": {protocol: asdict(gain) for protocol, gain in gains.gains.items()}, "steps": taken}


class _Measuring:
    """NDCG of parameters on each trial, one trial after the other, so that few counts are held at once."""

    def __init__(
        self,
        catalogue: Catalogue,
        asked: Sequence[Trial],
        highest: int,
        journal: Journal,
        progress: Progress,
        total: int,
    ) -> None:
        self._fits = [Fits(catalogue, trial, highest) for trial in asked]
        self._journal, self._progress, self._done, self._total = journal, progress, 0, total

    def __call__(self, candidates: Sequence[Parameters], kept: Parameters) -> list[Measured]:
        found: list[dict[str, list[float]]] = [{} for _ in candidates]
        for fits in self._fits:
            for place, parameters in enumerate(candidates):
                found[place][fits.trial.name] = self._one(fits, parameters, kept)
            fits.release()
        return list(found)

    def finish(self) -> None:
        self._progress("tuning", self._total, self._total)

    def _one(self, fits: Fits, parameters: Parameters, kept: Parameters) -> list[float]:
        name, written = fits.trial.name, asdict(parameters)
        ndcg = self._journal.find(name, written)
        if ndcg is None:
            ndcg = _ndcg(fits, parameters, kept)
            self._journal.add(name, written, ndcg)
        self._done += 1
        self._progress("tuning", self._done, self._total)
        return ndcg


def _ndcg(fits: Fits, parameters: Parameters, kept: Parameters) -> list[float]:
    """Parameters that leave nothing to learn find nothing."""
    try:
        return fits.ndcg(parameters, kept)
    except BadInput:
        return [0.0] * len(fits.trial.cases)
