"""What the fits of one trial start from: counted once for all that share their values."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import Catalogue, rows_in
from recommender.evaluation import Ints
from recommender.factors import Single
from recommender.model import Parameters
from recommender.statistics import most_rated, summed_over, tenths
from recommender.tuning.trials import Trial

_FEW_USERS = 2_000  # whose square is solved sooner than that of the movies
_NO_MOVIES: Ints = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Counted:
    rows: Ints  # of the catalogue, that are solved for
    scale: float  # of the ridge
    prior: Single  # of the whole catalogue
    by_users: bool
    matrix: NDArray[Any]  # users by solved movies where by_users, else their Gram matrix


def counted(catalogue: Catalogue, trial: Trial, parameters: Parameters) -> Counted:
    rated = trial.users, catalogue.movie_ids[trial.rows], trial.ratings
    tally = summed_over(_NO_MOVIES, *rated, parameters.values)
    dense = most_rated(tally.movie_ids, tally.counts, parameters.dense_limit)
    solved = replace(tally, dense=dense).solved
    scale = sqrt(tally.counts[rows_in(tally.movie_ids, solved)].mean())
    prior = np.zeros(len(catalogue), np.float32)
    prior[catalogue.rows(tally.movie_ids)] = tally.likes / max(1, tally.likes.max())
    few = tally.users <= _FEW_USERS and 2 * tally.users < len(solved)
    matrix = (
        _table(catalogue, trial, solved, parameters)
        if few
        else summed_over(solved, *rated, parameters.values).gram
    )
    return Counted(catalogue.rows(solved), scale, prior, few, matrix)


def _table(catalogue: Catalogue, trial: Trial, solved: Ints, parameters: Parameters) -> NDArray[np.float64]:
    """In the tenths that statistics are counted in."""
    columns = rows_in(solved, catalogue.movie_ids[trial.rows])
    kept = columns >= 0
    table = np.zeros((int(trial.users.max()) + 1, len(solved)))
    table[trial.users[kept], columns[kept]] = tenths(trial.ratings[kept], parameters.values) / 10
    return table
