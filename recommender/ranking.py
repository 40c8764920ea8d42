"""From a history to a list: what may be shown, in which order, and why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import Catalogue
from recommender.diversity import pool_size, scaled, varied
from recommender.history import History
from recommender.model import Model, Taste
from recommender.scores import best, times

REASONS = 3
_SHORT = 3  # times as short: from there on a direction says less than the cosine tells
Source = Literal["model", "preferences", "popular"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the list may hold; every condition is strict."""

    k: int = 10
    genres: Collection[str] = ()  # at least one of them
    exclude_genres: Collection[str] = ()  # none of them
    year_from: int | None = None  # a movie of unknown year is within no years
    year_to: int | None = None
    kind: str | None = None
    exclude: Collection[int] = frozenset()
    explain: bool = True
    diversity: float = 0.0  # from 0, the best titles, to 1, the most different among the good ones


@dataclass(frozen=True, slots=True)
class Reason:
    movie_id: int
    share: float


@dataclass(frozen=True, slots=True)
class Pick:
    """score = the shares of ``because`` + because_rest + prior + preferences."""

    movie_id: int
    score: float
    because: tuple[Reason, ...] = ()  # the largest shares of the history, at most three, all above zero
    because_rest: float = 0.0
    prior: float = 0.0
    preferences: float = 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    source: Source
    picks: tuple[Pick, ...]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is thought of every movie, for one person; without a model there is no taste."""

    source: Source
    scores: NDArray[np.float32]  # by the catalogue's rows; -inf for a movie that the model lacks
    taste: Taste | None


class Ranker:
    """A catalogue and a model, brought together once; safe to share between threads."""

    def __init__(self, catalogue: Catalogue, model: Model | None) -> None:
        self.catalogue = catalogue
        self.model = model
        if model is None:
            return
        place = catalogue.rows(model.movie_ids)
        self._model_rows = np.flatnonzero(place >= 0)  # rows of the model whose movie is in the catalogue
        self._rows = place[self._model_rows]  # and theirs in the catalogue
        self._aligned = np.array_equal(catalogue.movie_ids, model.movie_ids)
        self._lengths = np.sqrt(np.einsum("ij,ij->i", model.right, model.right))

    def numbers(self, rated: int, wish: Wish) -> int:
        """That are multiplied to score every movie, and to explain the best by so many ratings."""
        if self.model is None:
            return 0
        explained = wish.k * rated if wish.explain else 0
        return (len(self.model.movie_ids) + explained) * int(self.model.right.shape[1])

    def recommend(
        self,
        history: History,
        preferences: Mapping[str, float],
        wish: Wish,
        dismissed: Collection[int] = (),
        taste: Taste | None = None,
    ) -> Ranked:
        """Never a movie of the history, excluded or dismissed; fewer than k rather than a wrong one.

        ``taste`` is what the model made of this history and these preferences, where that is known.
        """
        opinion = self.opinion(history, preferences, taste)
        scores = self.narrowed(opinion.scores, wish, [history.movie_ids, _ids(dismissed)])
        return Ranked(opinion.source, self.picks(opinion, self._listed(scores, wish), wish.explain))

    def opinion(
        self, history: History, preferences: Mapping[str, float], taste: Taste | None = None
    ) -> Opinion:
        if self.model is None:
            return Opinion("popular", _shares(self.catalogue.popularity), None)
        taste = taste or self.model.taste(history, preferences)
        return Opinion(_source(taste), self._spread(self.model.scores(taste)), taste)

    def narrowed(
        self, scores: NDArray[np.float32], wish: Wish, barred: Sequence[NDArray[np.int64]]
    ) -> NDArray[np.float32]:
        """The same array, now -inf for every movie that is barred or that the wish leaves out."""
        rows = self.catalogue.rows(np.concatenate([*barred, _ids(wish.exclude)]))
        scores[rows[rows >= 0]] = -np.inf
        allowed = _allowed(self.catalogue, wish)
        if allowed is not None:
            scores[~allowed] = -np.inf
        return scores

    def vectors(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Of rows of the catalogue that the model knows: the nearer they point, the more alike the movies.

        Without a model movies are as alike as their genres.
        """
        if self.model is None:
            return self.catalogue.genre_matrix[rows].astype(np.float32)
        return self.model.right[self.model.rows(self.catalogue.movie_ids[rows])]

    def picks(self, opinion: Opinion, rows: NDArray[np.intp], explain: bool) -> tuple[Pick, ...]:
        """Rows of the catalogue, each with what its score is made of."""
        if self.model is None or opinion.taste is None:
            return tuple(self._popular(row, opinion.scores[row]) for row in rows)
        return self._picks(self.model, opinion.taste, rows, explain)

    def similar(self, movie_id: int, k: int) -> list[tuple[int, float]]:
        """The movies whose factors point the same way, with the cosine; none for one the model lacks.

        Titles that nobody rated have short factors that point where many do; they count as if longer.
        """
        if self.model is None or not (lengths := self._lengths).any():
            return []
        row = self.model.rows([movie_id])[0]
        if row < 0 or not lengths[row]:
            return []
        cosines = times(self.model.right, self.model.right[row])
        cosines /= lengths[row] * np.maximum(lengths, lengths[row] / _SHORT)
        cosines[lengths == 0] = -np.inf
        cosines[row] = -np.inf
        scores = self._spread(cosines)
        return [(int(self.catalogue.movie_ids[i]), float(scores[i])) for i in best(scores, k)]

    def _spread(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """From the model's rows to the catalogue's; movies the model lacks can never be best."""
        if self._aligned:
            return scores
        spread = np.full(len(self.catalogue), -np.inf, np.float32)
        spread[self._rows] = scores[self._model_rows]
        return spread

    def _listed(self, scores: NDArray[np.float32], wish: Wish) -> NDArray[np.intp]:
        """Rows of the catalogue, best first."""
        if not wish.diversity:
            return best(scores, wish.k)
        pool = best(scores, pool_size(wish.k))
        relevance = scaled(scores[pool])
        return pool[varied(lambda _: relevance, self.vectors(pool), wish.k, wish.diversity)]

    def _popular(self, row: np.intp, share: np.float32) -> Pick:
        return Pick(int(self.catalogue.movie_ids[row]), float(share), prior=float(share))

    def _picks(self, model: Model, taste: Taste, places: NDArray[np.intp], explain: bool) -> tuple[Pick, ...]:
        ids = self.catalogue.movie_ids[places]
        rows = places if self._aligned else model.rows(ids)
        right = model.right[rows].astype(np.float64)
        prior = taste.prior_weight * model.prior[rows].astype(np.float64)
        scores = right @ taste.vector.astype(np.float64) + prior
        if not explain:
            return tuple(Pick(int(i), float(s)) for i, s in zip(ids, scores, strict=True))
        left = taste.values[:, None] * model.left[taste.rows].astype(np.float64)
        shares = (right * taste.trust) @ left.T
        wished = right @ taste.preferences.astype(np.float64)
        reasons = _reasons(shares, self._shown_ids(model, taste))
        columns = (ids, scores, shares.sum(axis=1), prior, wished)
        return tuple(
            Pick(movie_id, score, because, told - sum(reason.share for reason in because), before, wish)
            for movie_id, score, told, before, wish, because in zip(
                *(column.tolist() for column in columns), reasons, strict=True
            )
        )

    def _shown_ids(self, model: Model, taste: Taste) -> NDArray[np.int64]:
        """Ids of the history's movies, -1 for those that have left the catalogue and cannot be named."""
        ids = model.movie_ids[taste.rows]
        return ids if self._aligned else np.where(self.catalogue.rows(ids) >= 0, ids, -1)


def _source(taste: Taste) -> Source:
    if len(taste.rows):
        return "model"
    return "preferences" if taste.has_preferences else "popular"


def _shares(popularity: NDArray[np.int64]) -> NDArray[np.float32]:
    return (popularity / max(1, int(popularity.sum()))).astype(np.float32)


def _ids(ids: Collection[int]) -> NDArray[np.int64]:
    return np.fromiter(ids, np.int64, len(ids))


def _allowed(catalogue: Catalogue, wish: Wish) -> NDArray[np.bool_] | None:
    """The rows that the filters let through; None when there is no filter."""
    allowed = []
    if wish.kind is not None:
        allowed.append(catalogue.is_kind(wish.kind))
    if wish.genres:
        allowed.append(catalogue.has_genre(wish.genres))
    if wish.exclude_genres:
        allowed.append(~catalogue.has_genre(wish.exclude_genres))
    if wish.year_from is not None or wish.year_to is not None:
        allowed.append(catalogue.years > 0)
    if wish.year_from is not None:
        allowed.append(catalogue.years >= wish.year_from)
    if wish.year_to is not None:
        allowed.append(catalogue.years <= wish.year_to)
    return np.logical_and.reduce(allowed) if allowed else None


def _reasons(shares: NDArray[np.float64], seen: NDArray[np.int64]) -> list[tuple[Reason, ...]]:
    """The largest of each row; ``seen`` names the movie of each column, -1 for one that cannot be named."""
    top = np.argsort(-np.where(seen >= 0, shares, -np.inf), axis=1, kind="stable")[:, :REASONS]
    largest = np.take_along_axis(shares, top, axis=1).tolist()
    return [
        tuple(Reason(i, share) for i, share in zip(*pair, strict=True) if i >= 0 and share > 0)
        for pair in zip(seen[top].tolist(), largest, strict=True)
    ]
