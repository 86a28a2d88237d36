"""Pool a layer's output into one row of features per neuron."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
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
