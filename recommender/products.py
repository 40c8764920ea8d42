"""The co-liked matrix XᵀX of users by movies in whole numbers: exact, and the same in any order of sums."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.errors import BadInput

Ints = NDArray[np.int64]
Products = NDArray[np.signedinteger[Any]]
BLOCK = 1000  # rows of the matrix that are made, moved or written at once: bounds the memory beside it
_SPARSE = 20  # a block with fewer entries than one in so many is added entry by entry
_LARGEST = np.iinfo(np.int32).max


def width(diagonal: NDArray[Any]) -> type[np.signedinteger[Any]]:
    """No entry is larger than the largest of the diagonal, which tells how wide a number must be."""
    return np.int32 if diagonal.max(initial=0) <= _LARGEST else np.int64


def table(values: Ints, where: tuple[Ints, Ints], shape: tuple[int, int]) -> tuple[sp.csc_array, Ints]:
    """X, and the diagonal of XᵀX."""
    squares = np.bincount(where[1], values**2, minlength=shape[1]).astype(np.int64)
    found = sp.csc_array((values.astype(width(squares)), where), shape=shape)
    if found.nnz != len(values):
        raise BadInput("a user has rated a movie twice")
    found.eliminate_zeros()
    return found, squares


def cross(products: Products, rows: sp.csc_array, sign: int) -> None:
    """Adds XᵀX of some rows to the blocks on and right of the diagonal, in place."""
    transposed = rows.T
    for start in range(0, len(products) if rows.nnz else 0, BLOCK):
        block = transposed[start : start + BLOCK] @ rows[:, start:].tocsr()
        target = products[start : start + BLOCK, start:]
        if block.nnz < target.size // _SPARSE:
            found = block.tocoo()
            target[found.coords] += (sign * found.data).astype(target.dtype)  # no place twice
        else:
            np.add(target, sign * block.toarray(), out=target, casting="same_kind")


def mirror(products: Products) -> None:
    """What stands left of the blocks of the diagonal is made of what stands right of them, in place."""
    for start in range(0, len(products), BLOCK):
        for other in range(start + BLOCK, len(products), BLOCK):
            square = products[start : start + BLOCK, other : other + BLOCK]
            products[other : other + BLOCK, start : start + BLOCK] = square.T


def moved(products: Products, places: Ints, size: type[np.signedinteger[Any]]) -> Products:
    """Row and column i of what is made were ``places[i]``, or are zero where that is negative."""
    if np.array_equal(places, np.arange(len(products))):
        return products.astype(size)
    found = np.zeros((len(places), len(places)), size)
    kept = np.flatnonzero(places >= 0)
    for start in range(0, len(kept), BLOCK):
        rows = kept[start : start + BLOCK]
        taken, wide = products[places[rows]], np.zeros((len(rows), len(places)), size)
        for run in _runs(kept, places[kept]):
            first = places[run[0]]
            wide[:, run[0] : run[-1] + 1] = taken[:, first : first + len(run)]
        found[rows] = wide
    return found


def _runs(one: Ints, two: Ints) -> list[Ints]:
    """``one``, cut where it or ``two`` does not go on by one."""
    return np.split(one, np.flatnonzero((np.diff(one) != 1) | (np.diff(two) != 1)) + 1)


def blocks(products: Products) -> Iterator[NDArray[Any]]:
    """The upper half to write, block by block: all of a block, or where its entries are and what they are."""
    for start in range(0, len(products), BLOCK):
        block = products[start : start + BLOCK, start:].copy()
        corner = block[:, : len(block)]
        corner[...] = np.triu(corner)
        entry = block.itemsize + np.dtype(np.uint32).itemsize
        if np.count_nonzero(block) * entry < block.nbytes:
            places = np.flatnonzero(block)
            yield places.astype(np.uint32)
            yield block.reshape(-1)[places]
        else:
            yield block


def joined(movies: int, size: np.dtype[Any], tables: Iterator[NDArray[Any]]) -> Products:
    """What ``blocks`` took apart."""
    products: Products = np.zeros((movies, movies), size)
    for start in range(0, movies, BLOCK):
        target, table = products[start : start + BLOCK, start:], next(tables)
        if table.ndim == 2:
            target[...] = table
        else:
            flat = np.zeros(target.size, size)
            flat[table] = next(tables)
            target[...] = flat.reshape(target.shape)
        corner = target[:, : len(target)]
        corner += np.triu(corner, 1).T
    mirror(products)
    return products
