"""Well-known ways to recommend, to measure ours against; each with the settings it does well with."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from recommender.catalogue import Catalogue
from recommender.evaluation import Ints, Ratings
from recommender.factors import features
from recommender.folding import Histories, genre_shares
from recommender.history import LIKED, History
from recommender.scores import best

Single = NDArray[np.float32]
K = 10  # titles of a list
_BLOCK = 1000  # columns of a product made at once


class Peer(ABC):
    """Every movie of the catalogue gets a score; the best that the history does not hold are shown."""

    name: str
    catalogue: Catalogue

    @abstractmethod
    def fit(self, train: Ratings, catalogue: Catalogue) -> None: ...

    @abstractmethod
    def scores(self, history: History) -> Single:
        """One per row of the catalogue, in memory that the caller may write to."""

    def recommend(self, history: History, k: int) -> Ints:
        scores = self.scores(history)
        scores[known_rows(self.catalogue, history.movie_ids)] = -np.inf
        return self.catalogue.movie_ids[best(scores, k)]

    def size_bytes(self) -> int:
        return sum(_held(value) for value in vars(self).values())


def _held(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    return sum(map(_held, vars(value).values())) if sp.issparse(value) else 0


def known_rows(catalogue: Catalogue, movie_ids: Ints) -> Ints:
    rows = catalogue.rows(movie_ids)
    return rows[rows >= 0]


def telling_rows(catalogue: Catalogue, history: History) -> Ints:
    """What is liked; for somebody who likes nothing, what is rated."""
    likes = history.ratings >= LIKED
    return known_rows(catalogue, history.movie_ids[likes] if likes.any() else history.movie_ids)


def likes_table(train: Ratings, catalogue: Catalogue) -> sp.csr_array:
    """Users by rows of the catalogue: 1 where the user likes the movie."""
    rows = catalogue.rows(train.movie_ids)
    liked = (train.ratings >= LIKED) & (rows >= 0)
    people, users = np.unique(train.users, return_inverse=True)
    ones = np.ones(int(liked.sum()), np.float32)
    return sp.csr_array((ones, (users[liked], rows[liked])), shape=(len(people), len(catalogue)))


def co_likes(likes: sp.csr_array) -> Iterator[tuple[int, Single]]:
    """How many users like both of two movies, from each start a block of rows."""
    movies = likes.T.tocsr()
    for start in range(0, movies.shape[0], _BLOCK):
        yield start, (movies[start : start + _BLOCK] @ likes).toarray()


def like_counts(train: Ratings, catalogue: Catalogue) -> Single:
    rows = catalogue.rows(train.movie_ids[train.ratings >= LIKED])
    return np.bincount(rows[rows >= 0], minlength=len(catalogue)).astype(np.float32)


class Popularity(Peer):
    name = "popularity"

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue, self.likes = catalogue, like_counts(train, catalogue)

    def scores(self, history: History) -> Single:  # noqa: ARG002 - the same for everybody
        return self.likes.copy()


class GenrePopularity(Peer):
    """Popularity times the share of a movie's genres that the user's likes have."""

    name = "popularity x genres"

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue, self.likes = catalogue, like_counts(train, catalogue)
        self.genres = _unit(catalogue.genre_matrix.astype(np.float32))

    def scores(self, history: History) -> Single:
        rows = telling_rows(self.catalogue, history)
        if not len(rows):
            return self.likes.copy()
        return self.of_genres(self.catalogue.genre_matrix[rows].sum(axis=0).astype(np.float32))

    def of_genres(self, wanted: Single) -> Single:
        """``wanted``: how much of each genre."""
        return np.asarray(self.likes * (self.genres @ wanted), np.float32)


class Similarity(Peer):
    """The cosine of a movie's genres and five-year period with those of the user's likes."""

    name = "genres and period"

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:  # noqa: ARG002 - nothing to learn
        self.catalogue = catalogue
        self.features = _unit(features(catalogue.genre_matrix, catalogue.years))

    def scores(self, history: History) -> Single:
        rows = telling_rows(self.catalogue, history)
        return np.asarray(self.features @ self.features[rows].sum(axis=0), np.float32)


class ItemKnn(Peer):
    """The cosine of two movies' likers, shrunk for movies with few; each movie listens to its nearest."""

    name = "item-kNN"

    def __init__(self, neighbours: int = 50, shrinkage: float = 5.0) -> None:
        self.neighbours, self.shrinkage = neighbours, shrinkage

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue, likes = catalogue, likes_table(train, catalogue)
        counts = np.asarray(likes.sum(axis=0), np.float32)
        self.liked = np.flatnonzero(counts)
        self.place = np.full(len(catalogue), -1)
        self.place[self.liked] = np.arange(len(self.liked))
        parts = self._parts(likes[:, self.liked], np.sqrt(counts[self.liked]))
        self.near = sp.vstack(list(parts)).T.tocsr()  # row i: the movies that listen to i

    def _parts(self, likes: sp.csr_array, lengths: Single) -> Iterator[sp.csr_array]:
        """Each movie's nearest, a block of movies at a time."""
        for start, block in co_likes(likes):
            block /= lengths[start : start + _BLOCK, None] * lengths + np.float32(self.shrinkage)
            rows = np.arange(len(block))
            block[rows, start + rows] = 0
            kept = min(self.neighbours, block.shape[1])
            least = np.partition(block, -kept, axis=1)[:, -kept, None]
            block[block < least] = 0
            yield sp.csr_array(block)

    def scores(self, history: History) -> Single:
        places = self.place[telling_rows(self.catalogue, history)]
        scores = np.zeros(len(self.catalogue), np.float32)
        scores[self.liked] = self.near[places[places >= 0]].sum(axis=0)
        return scores


class GenreKnn(Peer):
    """What those like whose likes have the same genres; of the nearest users, each by its cosine."""

    name = "genre-kNN"

    def __init__(self, neighbours: int = 50) -> None:
        self.neighbours = neighbours

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue, self.likes = catalogue, likes_table(train, catalogue)
        genres = self.likes @ catalogue.genre_matrix.astype(np.float32)
        self.profiles = _unit(np.asarray(genres, np.float32))

    def scores(self, history: History) -> Single:
        own = _unit(genre_shares(self.catalogue, Histories.of([history])))[0]
        cosines = self.profiles @ own
        near = best(cosines, self.neighbours)
        return np.asarray(cosines[near] @ self.likes[near], np.float32)


class KMeansOnScore(Peer):
    """As two earlier projects did: clusters of movies by mean score and type, the nearest in the cluster."""

    name = "k-means (score, type)"

    def __init__(self, clusters: int = 20, seed: int = 0) -> None:
        self.clusters, self.seed = clusters, seed

    def fit(self, train: Ratings, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        rows = catalogue.rows(train.movie_ids)
        marks, rows = train.ratings[rows >= 0], rows[rows >= 0]
        counts, sums = (np.bincount(rows, weights, len(catalogue)) for weights in (None, marks))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), marks.mean())
        self.places = np.column_stack([means, catalogue.is_kind("show")]).astype(np.float32)
        clusters = min(self.clusters, len(np.unique(self.places, axis=0)))
        found = KMeans(clusters, n_init=1, random_state=self.seed).fit(self.places)
        self.centres, self.cluster = found.cluster_centers_, found.labels_

    def scores(self, history: History) -> Single:
        """Higher where nearer to the mean of the likes; those of its cluster before all others."""
        rows = telling_rows(self.catalogue, history)
        own = self.places[rows if len(rows) else slice(None)].mean(axis=0)
        cluster = np.square(self.centres - own).sum(axis=1).argmin()
        distance = np.sqrt(np.square(self.places - own).sum(axis=1))
        return np.asarray((self.cluster == cluster) * np.float32(10) - distance, np.float32)


def _unit(rows: Single) -> Single:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
