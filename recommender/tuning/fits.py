"""A trial's lists under any parameters: as few fits as that takes, at the highest rank of them all."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import Catalogue
from recommender.evaluation import Floats, Ints, scored
from recommender.factors import completed, even_features, features, learned
from recommender.folding import Histories, Single, tastes
from recommender.model import Model, Parameters, rank_for
from recommender.scores import best
from recommender.tuning.by_users import learned_by_users
from recommender.tuning.counts import Counted, counted
from recommender.tuning.trials import Trial

K = 10
_SCORES = 16_000_000  # held at once
_LARGE = 256_000_000  # bytes of counts that are not held while other trials are asked
_DIGITS = 6  # of a measurement, in the journal and without one
Tables = Mapping[str, NDArray[Any]]


@dataclass(slots=True)
class Fits:
    """Holds the counts of the last values, and the fits of what is ``kept`` and of what came last."""

    catalogue: Catalogue
    trial: Trial
    highest: int  # rank
    _histories: Histories = field(init=False)
    _counted: dict[str, Counted] = field(init=False, default_factory=dict)
    _fitted: dict[str, Tables] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._histories = Histories.of([case.history for case in self.trial.cases])

    def ndcg(self, parameters: Parameters, kept: Parameters) -> list[float]:
        """NDCG@10 of each case."""
        lists = _lists(self.model(parameters, kept), self._histories)
        found: Floats = scored(lists, self.trial.cases, len(self.catalogue), K).ndcg
        return [round(value, _DIGITS) for value in found.tolist()]

    def model(self, parameters: Parameters, kept: Parameters) -> Model:
        """As fit_model makes it, but for the factors of genres: nobody here states a preference."""
        fitted = self._fit(parameters, kept)
        rank = rank_for(int(fitted["solved"])) if parameters.rank is None else parameters.rank
        left, right = fitted["left"][:, :rank], fitted["right"][:, :rank]
        genres = self.catalogue.genres
        tables = {
            "movie_ids": self.catalogue.movie_ids,
            "left": left,
            "right": right,
            "prior": fitted["prior"],
        }
        tables["genre_factors"] = np.zeros((len(genres), left.shape[1]), np.float32)
        return Model(tables, {"genres": genres, "parameters": asdict(parameters)}, "")

    def release(self) -> None:
        if any(one.matrix.nbytes > _LARGE for one in self._counted.values()):
            self._counted = {}

    def _fit(self, parameters: Parameters, kept: Parameters) -> Tables:
        name = _of_fit(parameters)
        if name not in self._fitted:
            self._fitted = {of: made for of, made in self._fitted.items() if of == _of_fit(kept)}
            self._fitted[name] = _tables(self.catalogue, self._count(parameters), parameters, self.highest)
        return self._fitted[name]

    def _count(self, parameters: Parameters) -> Counted:
        name = repr([parameters.values, parameters.dense_limit])
        if name not in self._counted:
            self._counted = {}  # before the next is made: there may not be room for two
            self._counted[name] = counted(self.catalogue, self.trial, parameters)
        return self._counted[name]


def _of_fit(parameters: Parameters) -> str:
    """What only another fit can change."""
    return repr([parameters.values, parameters.ridge, parameters.feature_weight, parameters.dense_limit])


def _tables(catalogue: Catalogue, counts: Counted, parameters: Parameters, rank: int) -> Tables:
    described = catalogue.genre_matrix, catalogue.years
    about, ridge = features(*described)[counts.rows], parameters.ridge * counts.scale
    fit = learned_by_users if counts.by_users else learned
    found = fit(counts.matrix, about, ridge, parameters.feature_weight, rank)
    factors = completed(found, counts.rows, even_features(*described))
    solved = np.array(len(counts.rows))
    return {"left": factors.left, "right": factors.right, "prior": counts.prior, "solved": solved}


def _lists(model: Model, histories: Histories) -> list[Ints]:
    """As Ranker makes them, up to the rounding of sums."""
    found = tastes(model, histories)
    rows, users = model.rows(histories.movie_ids), histories.users
    at_once = max(1, _SCORES // len(model.movie_ids))
    lists: list[Ints] = []
    for first in range(0, len(histories), at_once):
        places = slice(first, first + at_once)
        scores: Single = found.vectors[places] @ model.right.T
        scores += found.prior_weights[places, None] * model.prior
        own = (users >= first) & (users < first + at_once) & (rows >= 0)
        scores[users[own] - first, rows[own]] = -np.inf
        lists += [model.movie_ids[best(row, K)] for row in scores]
    return lists
