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


@dataclass(frozen=True, slots=True)
class Factors:
    """A history's taste is the sum of its rows of ``left``; a movie's score is taste · ``right``."""

    left: Single  # movies by rank
    right: Single  # movies by rank


def features(genre_matrix: NDArray[np.bool_], years: NDArray[np.int16]) -> Single:
    """Movies by features: genres, then one column per five years (none for an unknown year)."""
    periods = years // _PERIOD
    known = np.unique(periods[years > 0])
    return np.hstack([genre_matrix, periods[:, None] == known]).astype(np.float32)


def learned(
    gram: Single, rows: NDArray[np.int64], about: Single, ridge: float, feature_weight: float, rank: int
) -> Factors:
    """Factors of every movie: ``gram`` is over its ``rows``, ``about`` are the features of all."""
    weights, from_features = _autoencoder(gram, feature_weight * about[rows], ridge)
    vectors = _directions(weights, gram, min(rank, len(gram)))
    known_left = weights @ vectors
    predicted = gram @ known_left
    variance = np.einsum("ij,ij->j", known_left, predicted)
    kept = np.flatnonzero(variance > _NOTHING * variance.max(initial=0.0))
    if not len(kept):
        raise BadInput("the ratings hold nothing to learn: no two movies go together")
    # Lengths go to the right side, so that the cosine of two of its rows compares two movies' audiences.
    lengths = np.sqrt(variance[kept] / variance[kept[0]])
    known_left, known_right = known_left[:, kept] / lengths, vectors[:, kept] * lengths
    # The columns of B for the other movies are linear in their features; so are their rows of V.
    to_right = feature_weight * from_features.T @ (predicted[:, kept] / variance[kept] * lengths)
    to_left = _regressed(about[rows], known_left)
    left, right = about @ to_left, about @ to_right
    left[rows], right[rows] = known_left, known_right
    return Factors(left, right)


def _autoencoder(gram: Single, extra: Single, ridge: float) -> tuple[Single, Single]:
    """B of EASE, its diagonal zero, with the features as further users; and P times the features."""
    inner = gram.astype(np.float64)
    inner += extra @ extra.T
    inner[np.diag_indices_from(inner)] += ridge
    inverse = _inverse(inner)
    from_features = inverse @ extra
    weights = (inverse / -np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights, from_features.astype(np.float32)


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
