"""Pool a layer's output into one row of features per neuron."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.errors import unknown_name

POOLS = ("grid", "mean", "max", "none")


def neuron_rows(output: Tensor, pool: str, grid: int, *, neurons_last: bool = False) -> Tensor:
    """Turn a layer's output into per-neuron features of each image.

    Parameters
    ----------
    output : Tensor
        Convolutions: (images, neurons, *space). Linear layers: (images, *positions, neurons).
    pool : {"grid", "mean", "max", "none"}
        What becomes of space. Positions of a linear layer (tokens) have no grid, so ``"grid"``
        takes their mean.
    grid : int
        Side of the adaptive grid; a map smaller than that keeps its own size.
    neurons_last : bool
        The layer is linear.

    Returns
    -------
    Tensor, shape (neurons, images, features)
    """
    if pool not in POOLS:
        raise unknown_name("pool", pool, POOLS)
    maps = output.movedim(-1, 1) if neurons_last else output
    if neurons_last and pool == "grid":
        pool = "mean"
    return _REDUCE[pool](maps, grid).flatten(2).movedim(0, 1)


def _mean(maps: Tensor, grid: int) -> Tensor:
    return _flat(maps).mean(dim=2, keepdim=True)


def _max(maps: Tensor, grid: int) -> Tensor:
    return _flat(maps).amax(dim=2, keepdim=True)


def _grid(maps: Tensor, grid: int) -> Tensor:
    """Average adaptively; into few cells by a matrix product, which is up to 10 times quicker."""
    size = [min(grid, side) for side in maps.shape[2:]]
    if math.prod(size) > 16:
        return _ADAPTIVE[len(size)](maps, size)
    if maps.shape[2] > 16 and maps.shape[2] % size[0] == 0:
        # Runs of a long side first, so that the product is short.
        maps = maps.unflatten(2, (size[0], -1)).mean(dim=3)
    return _flat(maps) @ _cells(tuple(maps.shape[2:]), tuple(size)).to(maps)


@lru_cache(maxsize=64)
def _cells(space: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    """Weight of every position in every cell, shape (positions, cells)."""
    weights = torch.ones(1, 1)
    for side, parts in zip(space, size, strict=True):
        weights = torch.kron(weights, F.adaptive_avg_pool1d(torch.eye(side)[None], parts)[0])
    return weights


def _flat(maps: Tensor, grid: int = 0) -> Tensor:
    return maps.reshape(*maps.shape[:2], -1)


_ADAPTIVE: dict[int, Callable[..., Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}
_REDUCE: dict[str, Callable[[Tensor, int], Tensor]] = {
    "mean": _mean,
    "max": _max,
    "grid": _grid,
    "none": _flat,
}
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
