"""Means, deviations and inner products of long rows in float64, and points with given products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FLOAT64_AT_ONCE = 2**18  # numbers: 2 MB


def mean_and_std(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of every row, summed in float64."""
    whole = np.empty((2, len(points)))
    for rows in _blocks(len(points), points.shape[1]):
        exact = points[rows].astype(np.float64)
        whole[0, rows] = exact.mean(axis=1)
        exact -= whole[0, rows, None]
        whole[1, rows] = np.sqrt(np.einsum("ij,ij->i", exact, exact) / exact.shape[1])
    return whole[0], whole[1]


def inner_products(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the inner products of all rows, shape (n, n), summed in float64."""
    products = np.zeros((len(points), len(points)))
    for columns in _blocks(points.shape[1], len(points)):
        exact = points[:, columns].astype(np.float64)
        products += exact @ exact.T
    return products


def isometric(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points with the given inner products.

    Parameters
    ----------
    products : ndarray, shape (n, n)
        A symmetric positive semi-definite matrix.

    Returns
    -------
    ndarray, shape (n, rank)
        ``V sqrt(L)`` of the eigendecomposition ``V L V^T``, largest eigenvalue first; directions
        that rounding alone could have made are left out.
    """
    values, vectors = np.linalg.eigh((products + products.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > max(values[0], 0.0) * np.finfo(float).eps
    kept[0] = True
    return vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0.0))


def _blocks(length: int, each: int) -> Iterator[slice]:
    step = max(1, FLOAT64_AT_ONCE // each)
    return (slice(start, start + step) for start in range(0, length, step))
