"""Peers that solve for their tables, and ours as it is served."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_limits

from recommender.bench.peers import Peer, Single, co_likes, likes_table, telling_rows
from recommender.catalogue import Catalogue
from recommender.evaluation import Ints, Ratings
from recommender.history import History
from recommender.model import DEFAULTS, Parameters, fit_model
from recommender.ranking import Ranker, Wish

try:
    from implicit.cpu.als import AlternatingLeastSquares
except ImportError:
    AlternatingLeastSquares = None


class Ours(Peer):
    """The reduced-rank model, through the ranker that serves it."""

    name = "marquee"

    def __init__(self, parameters: Parameters = DEFAULTS) -> None:
        self.parameters = parameters

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        columns = train.users, train.movie_ids, train.ratings
        self.catalogue, self.model = catalogue, fit_model(catalogue, *columns, self.parameters)
        self.ranker = Ranker(catalogue, self.model)

    def scores(self, history: History) -> Single:
        return self.model.scores(self.model.taste(history))

    def recommend(self, history: History, k: int) -> Ints:
        return self.shown(history, {}, Wish(k=k, explain=False))

    def shown(self, history: History, preferences: Mapping[str, float], wish: Wish) -> Ints:
        picks = self.ranker.recommend(history, preferences, wish).picks
        return np.array([pick.movie_id for pick in picks], np.int64)

    def size_bytes(self) -> int:
        m = self.model
        return sum(table.nbytes for table in (m.movie_ids, m.left, m.right, m.prior, m.genre_factors))


class Svd(Peer):
    """PureSVD (Cremonesi et al. 2010) by scikit-learn: a history's likes projected and back."""

    name = "TruncatedSVD"

    def __init__(self, rank: int = 48, seed: int = 0) -> None:
        self.rank, self.seed = rank, seed

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue, likes = catalogue, likes_table(train, catalogue)
        rank = min(self.rank, min(likes.shape) - 1)
        self.factors = TruncatedSVD(rank, random_state=self.seed).fit(likes).components_.T.copy()

    def scores(self, history: History) -> Single:
        rows = telling_rows(self.catalogue, history)
        return np.asarray(self.factors @ self.factors[rows].sum(axis=0), np.float32)


class Ease(Peer):
    """EASE (Steck 2019) over the most liked movies, as many as fit in memory."""

    name = "EASE"

    def __init__(self, ridge: float = 200.0, limit: int = 20_000) -> None:
        self.ridge, self.limit = ridge, limit

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue, likes = catalogue, likes_table(train, catalogue)
        counts = np.diff(likes.tocsc().indptr)
        ranked = np.argsort(-counts, kind="stable")[: self.limit]
        self.rows = np.sort(ranked[counts[ranked] > 0])
        self.place = np.full(len(catalogue), -1)
        self.place[self.rows] = np.arange(len(self.rows))
        self.weights = self._solved(likes[:, self.rows])

    def _solved(self, likes: sp.csr_array) -> Single:
        gram = np.empty((likes.shape[1], likes.shape[1]))
        for start, block in co_likes(likes):
            gram[start : start + len(block)] = block
        gram[np.diag_indices_from(gram)] += self.ridge
        inverse = la.inv(gram.T, overwrite_a=True, check_finite=False)
        inverse /= -np.diag(inverse).copy()
        np.fill_diagonal(inverse, 0)
        return np.asarray(inverse, np.float32, order="C")

    def scores(self, history: History) -> Single:
        places = self.place[telling_rows(self.catalogue, history)]
        scores = np.zeros(len(self.catalogue), np.float32)
        known = places >= 0
        scores[self.rows] = self._values(history)[known] @ self.weights[places[known]]
        return scores

    def _values(self, history: History) -> Single:
        """Of each movie that tells something."""
        return np.ones(len(telling_rows(self.catalogue, history)), np.float32)


class RecentEase(Ease):
    """EASE whose histories count the newest likes most, as ours do where times are known."""

    name = "EASE, newest first"
    span, floor = 5.0, 0.15

    def _values(self, history: History) -> Single:
        values = super()._values(history)
        if np.isnan(history.times).all():
            return values
        ages = np.arange(len(values), dtype=np.float32)[::-1]
        return np.asarray(self.floor + (1 - self.floor) * np.exp(-ages / self.span), np.float32)


class Als(Peer):
    """implicit's alternating least squares (Hu, Koren and Volinsky 2008), where it is installed."""

    name = "implicit ALS"

    def __init__(self, factors: int = 64, ridge: float = 5.0, threads: int = 1, seed: int = 0) -> None:
        self.factors, self.ridge, self.threads, self.seed = factors, ridge, threads, seed

    @staticmethod
    def is_installed() -> bool:
        return AlternatingLeastSquares is not None

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        how = {"num_threads": self.threads, "random_state": self.seed}
        with threadpool_limits(1, "blas"):  # it warns of anything else: its own threads are faster
            self.model: Any = AlternatingLeastSquares(self.factors, self.ridge, **how)
            self.model.fit(sp.csr_matrix(likes_table(train, catalogue)), show_progress=False)

    def scores(self, history: History) -> Single:
        rows = telling_rows(self.catalogue, history)
        own = np.ones(len(rows), np.float32), (np.zeros(len(rows), np.int32), rows)
        taste = self.model.recalculate_user(0, sp.csr_matrix(own, shape=(1, len(self.catalogue))))
        return np.asarray(self.model.item_factors @ np.ravel(taste), np.float32)

    def size_bytes(self) -> int:
        return int(self.model.item_factors.nbytes)
