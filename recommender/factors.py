"""The fit: a linear autoencoder in closed form (EASE, Steck 2019) with item features, cut to a low rank.

In float64 but for what comes in and goes out: eigenvectors that lie close together turn by what float32
rounds off, and models of equal statistics are to be equal on other machines too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg as la
from numpy.typing import NDArray

from recommender.errors import BadInput

Single = NDArray[np.float32]
Double = NDArray[np.float64]
_Times = Callable[[Double], Double]
_PERIOD = 5  # years
_EXACT = 8000  # up to this many movies their matrix is inverted as it stands
_SMALL = 1000  # up to this many a full eigendecomposition is fast enough
_ROUNDS = 2  # products before the last one; more change no NDCG beyond its noise
_SPARE = 64  # columns more than asked for, so that the last of those asked for are right
_NOTHING = 1e-6  # a dimension with less than this share of the first one's variance is noise
_ROUNDING = 1e-20  # a variance of this share of the largest rating's stands for zero
_LOST = 1e-9  # an eigenvalue of this share of the largest one is lost in rounding
_BLOCK = 1000
_FEATURE_RIDGE = 10.0  # a genre of ten titles is believed half
_UNSEEN = 0.25  # at full length, titles that nobody rated push known ones off lists, and are liked less


@dataclass(frozen=True, slots=True)
class Factors:
    """A history's taste is the sum of its rows of ``left``; a movie's score is taste · ``right``."""

    left: Single  # movies by rank
    right: Single  # movies by rank


@dataclass(frozen=True, slots=True)
class _Solved:
    """P = (K + ridge)⁻¹, K = the Gram matrix with the features as further users; B = I - P / diag P."""

    inverse: _Times
    diagonal: Double

    def weights(self, table: Double) -> Double:
        """B times the table: the diagonal of B is zero."""
        return table - self.inverse(table / self.diagonal[:, None])

    def transposed(self, table: Double) -> Double:
        return table - self.inverse(table) / self.diagonal[:, None]


def features(genre_matrix: NDArray[np.bool_], years: NDArray[np.int16]) -> Single:
    """Movies by features: genres, then one column per five years (none for an unknown year)."""
    return np.hstack([genre_matrix, _periods(years)]).astype(np.float32)


def even_features(genre_matrix: NDArray[np.bool_], years: NDArray[np.int16]) -> Single:
    """The same to predict from: a title's genres share one unit of length, and there is a constant."""
    lengths = np.sqrt(genre_matrix.sum(axis=1, keepdims=True).clip(1))
    constant = np.ones((len(years), 1))
    return np.hstack([genre_matrix / lengths, _periods(years), constant]).astype(np.float32)


def _periods(years: NDArray[np.int16]) -> NDArray[np.bool_]:
    periods = years // _PERIOD
    return np.equal(periods[:, None], np.unique(periods[years > 0]))


def learned(gram: Single, about: Single, ridge: float, feature_weight: float, rank: int) -> Factors:
    """Factors of the movies of ``gram``; ``about`` are their features."""
    extra = feature_weight * about.astype(np.float64)
    found, root = (_inverted if len(gram) <= _EXACT else _sketched)(gram, extra, ridge, rank)
    vectors, variance = _directions(root, rank)
    if variance.max(initial=0.0) <= _ROUNDING * gram.diagonal().max(initial=0.0):
        raise BadInput("the ratings hold nothing to learn: no two movies go together")
    kept = variance > _NOTHING * variance[0]
    # Lengths go to the right side, so that the cosine of two of its rows compares two movies' audiences.
    lengths = np.sqrt(variance[kept] / variance[0])
    left, right = found.weights(vectors)[:, kept] / lengths, vectors[:, kept] * lengths
    return Factors(left.astype(np.float32), right.astype(np.float32))


def completed(found: Factors, rows: NDArray[np.int64], about: Single) -> Factors:
    """Factors of all movies: ``found`` are those of ``rows``, the others' are predicted from features."""
    left = about @ _regressed(about[rows], found.left)
    right = _UNSEEN * (about @ _regressed(about[rows], found.right))
    left[rows], right[rows] = found.left, found.right
    return Factors(left, right)


def _inverted(gram: Single, extra: Double, ridge: float, rank: int) -> tuple[_Solved, Double]:
    """With a root of Bᵀ G B, by n³ operations: P = Tᵀ T with a triangle T."""
    inner = extra @ extra.T
    inner += gram
    inner[np.diag_indices_from(inner)] += ridge
    triangle, failed = la.lapack.dpotrf(inner.T, lower=True, overwrite_a=True)
    if not failed:
        triangle, failed = la.lapack.dtrtri(triangle, lower=True, overwrite_c=True)
    if failed:
        raise BadInput("the ratings cannot be solved for: the Gram matrix is not positive")

    def inverse(table: Double) -> Double:
        once = la.blas.dtrmm(1.0, triangle, table, lower=True)
        return np.asarray(la.blas.dtrmm(1.0, triangle, once, lower=True, trans_a=True, overwrite_b=True))

    found = _Solved(inverse, np.einsum("ij,ij->j", triangle, triangle))
    return found, _root(lambda table: found.transposed(_product(gram, found.weights(table))), gram, rank)


def _sketched(gram: Single, extra: Double, ridge: float, rank: int) -> tuple[_Solved, Double]:
    """With a root of Bᵀ K B, by n² operations: of K a root, and of what that leaves out the diagonal."""
    root = _root(lambda table: _product(gram, table) + extra @ (extra.T @ table), gram, rank)
    whole = gram.diagonal() + np.einsum("ij,ij->i", extra, extra)
    rest = ridge + np.maximum(whole - np.einsum("ij,ij->i", root, root), 0.0)
    if (rest <= _LOST * whole.max()).any():
        raise BadInput("the ratings cannot be solved for: the Gram matrix is not positive")
    scaled = root / rest[:, None]
    turned = scaled @ la.inv(np.eye(root.shape[1]) + root.T @ scaled)  # Woodbury's identity

    def inverse(table: Double) -> Double:
        return np.asarray(table / rest[:, None] - turned @ (scaled.T @ table))

    found = _Solved(inverse, 1.0 / rest - np.einsum("ij,ij->i", turned, scaled))
    return found, found.transposed(root)


def _root(times: _Times, gram: Single, rank: int) -> Double:
    """R with R Rᵀ near a positive matrix (Nyström), which is known by its products with tables."""
    movies, width = len(gram), min(rank + _SPARE, len(gram))
    basis = np.eye(movies) if movies <= _SMALL else _basis(times, gram, width)
    table = times(basis)
    last = basis.shape[1] - 1
    values, turn = la.eigh(basis.T @ table, subset_by_index=(last + 1 - width, last))
    kept = values > _LOST * values[-1]
    return np.asarray(table @ (turn[:, kept] / np.sqrt(values[kept])))


def _basis(times: _Times, gram: Single, width: int) -> Double:
    """From a fixed start, so that the same data give the same bytes; the most rated movies weigh most."""
    table = np.random.default_rng(0).standard_normal((len(gram), width))
    table *= np.sqrt(gram.diagonal())[:, None]
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(table)
        table = times(basis)
    return np.linalg.qr(table)[0]


def _product(gram: Single, table: Double) -> Double:
    """In float64 without a copy of the whole matrix in it."""
    found = np.empty_like(table, order="C")
    for start in range(0, len(gram), _BLOCK):
        found[start : start + _BLOCK] = gram[start : start + _BLOCK].astype(np.float64) @ table
    return found


def _directions(root: Double, rank: int) -> tuple[Double, Double]:
    """V, the top eigenvectors of R Rᵀ, with their eigenvalues, the largest first."""
    variance, turn = la.eigh(root.T @ root)
    variance, turn = variance[::-1][:rank], turn[:, ::-1][:, :rank]
    vectors = root @ (turn / np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny)))
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return vectors * np.where(largest < 0, -1.0, 1.0), variance  # an eigenvector's sign is arbitrary


def _regressed(about: Single, targets: Single) -> Single:
    """Features by targets: the ridge regression from one to the other."""
    inner = about.T @ about + _FEATURE_RIDGE * np.eye(about.shape[1], dtype=np.float32)
    return np.asarray(la.solve(inner, about.T @ targets, assume_a="pos"), np.float32)
