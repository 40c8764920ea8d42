"""The fit: a linear autoencoder in closed form (EASE, Steck 2019) with item features, cut to a low rank."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as la
from numpy.typing import NDArray

from recommender.errors import BadInput

Single = NDArray[np.float32]
Double = NDArray[np.float64]
_PERIOD = 5  # years
_SMALL = 1000  # up to this many movies a full eigendecomposition is fast enough
_ROUNDS, _SPARE = 4, 32  # of the subspace iteration; more did not change a ranking
_NOTHING = 1e-6  # a dimension with less than this share of the first one's variance is noise
_BLOCK = 1000
_FEATURE_RIDGE = 10.0  # a genre of ten titles is believed half
_UNSEEN = 0.25  # at full length, titles that nobody rated push known ones off lists, and are liked less


@dataclass(frozen=True, slots=True)
class Factors:
    """A history's taste is the sum of its rows of ``left``; a movie's score is taste · ``right``."""

    left: Single  # movies by rank
    right: Single  # movies by rank


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
    weights = _autoencoder(gram, feature_weight * about, ridge)
    vectors = _directions(weights, gram, min(rank, len(gram)))
    left = weights @ vectors
    variance = np.einsum("ij,ij->j", left, gram @ left)
    kept = np.flatnonzero(variance > _NOTHING * variance.max(initial=0.0))
    if not len(kept):
        raise BadInput("the ratings hold nothing to learn: no two movies go together")
    # Lengths go to the right side, so that the cosine of two of its rows compares two movies' audiences.
    lengths = np.sqrt(variance[kept] / variance[kept[0]])
    return Factors(left[:, kept] / lengths, vectors[:, kept] * lengths)


def completed(found: Factors, rows: NDArray[np.int64], about: Single) -> Factors:
    """Factors of all movies: ``found`` are those of ``rows``, the others' are predicted from features."""
    left = about @ _regressed(about[rows], found.left)
    right = _UNSEEN * (about @ _regressed(about[rows], found.right))
    left[rows], right[rows] = found.left, found.right
    return Factors(left, right)


def _autoencoder(gram: Single, extra: Single, ridge: float) -> Single:
    """B of EASE, its diagonal zero, with the features as further users."""
    inner = gram.astype(np.float64)
    inner += extra @ extra.T
    inner[np.diag_indices_from(inner)] += ridge
    inverse = _inverse(inner)
    weights = (inverse / -np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def _inverse(matrix: Double) -> Double:
    """Of a symmetric positive matrix, in its own memory."""
    factor, failed = la.lapack.dpotrf(matrix.T, lower=True, overwrite_a=True)
    inverse, failed = (factor, failed) if failed else la.lapack.dpotri(factor, lower=True, overwrite_c=True)
    if failed:
        raise BadInput("the ratings cannot be solved for: the Gram matrix is not positive")
    for start in range(0, len(inverse), _BLOCK):  # only the lower triangle was filled
        stop = start + _BLOCK
        corner = np.tril(inverse[start:stop, start:stop])
        inverse[start:stop, start:stop] = corner + np.tril(corner, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    return np.asarray(inverse)


def _directions(weights: Single, gram: Single, rank: int) -> Single:
    """V, the top eigenvectors of Bᵀ G B: X B V Vᵀ is the best of that rank on the training users."""
    found = _exact(weights, gram, rank) if len(gram) <= _SMALL else _iterated(weights, gram, rank)
    vectors = np.asarray(found, np.float32)
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(rank)]
    return vectors * np.where(
        largest < 0, np.float32(-1), np.float32(1)
    )  # an eigenvector's sign is arbitrary


def _exact(weights: Single, gram: Single, rank: int) -> Double:
    wide = weights.astype(np.float64)
    _, vectors = la.eigh(wide.T @ gram @ wide, subset_by_index=(len(gram) - rank, len(gram) - 1))
    return np.asarray(vectors[:, ::-1])


def _iterated(weights: Single, gram: Single, rank: int) -> Single:
    """Subspace iteration from a fixed start, so that the same data give the same bytes."""
    width = min(rank + _SPARE, len(gram))
    basis = np.random.default_rng(0).standard_normal((len(gram), width), np.float32)
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(weights.T @ (gram @ (weights @ basis)))
    image = weights @ basis
    _, turn = la.eigh(image.T @ (gram @ image))
    return np.asarray(basis @ turn[:, ::-1][:, :rank])


def _regressed(about: Single, targets: Single) -> Single:
    """Features by targets: the ridge regression from one to the other."""
    inner = about.T @ about + _FEATURE_RIDGE * np.eye(about.shape[1], dtype=np.float32)
    return np.asarray(la.solve(inner, about.T @ targets, assume_a="pos"), np.float32)
