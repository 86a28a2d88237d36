"""The cover of a lens by overlapping intervals, and the rows in each of its bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

COVERS = ("uniform", "balanced")
Bounds = NDArray[np.float64]
# Rows for each interval, and the fewest and most intervals, where nobody chose how many.
_ROWS, _FEWEST, _MOST = 15, 5, 20


def default_intervals(rows: int) -> int:
    """Return how many intervals a lens of so many rows is cut into by default.

    An interval of few rows holds no cluster: a cloud of 50 rows cut into 20 is mostly noise.
    """
    return min(_MOST, max(_FEWEST, round(rows / _ROWS)))


def cover_bounds(lens: NDArray[np.float64], intervals: int, overlap: float, cover: str) -> Bounds:
    """Return the intervals along one dimension of a lens.

    Intervals of a ``"uniform"`` cover have equal lengths; their middles lie one n-th of the range
    from each other, and neighbours share the given part of their length, as in KeplerMapper. A
    ``"balanced"`` cover is the same of the ranks, so that intervals hold about equally many rows.

    Parameters
    ----------
    lens : ndarray, shape (rows,)
    intervals : int
    overlap : float
        Between 0 and 1.
    cover : {"uniform", "balanced"}

    Returns
    -------
    ndarray, shape (intervals, 2)
        Lowest and highest value, both inside.
    """
    if cover == "uniform":
        return _uniform(float(lens.min()), float(lens.max()), intervals, overlap)
    ordered = np.sort(lens)
    ranks = _uniform(0.0, len(lens) - 1.0, intervals, overlap)
    ends = np.stack([np.ceil(ranks[:, 0]), np.floor(ranks[:, 1])], axis=1).astype(np.int64)
    return ordered[np.clip(ends, 0, len(lens) - 1)]


def _uniform(low: float, high: float, n: int, overlap: float) -> Bounds:
    inset = (high - low) / n / 2
    middles = np.linspace(low + inset, high - inset, num=n)
    radius = (high - low) / (2 * n * (1 - overlap))
    return np.stack([middles - radius, middles + radius], axis=1)


def bins(
    lens: NDArray[np.float64], bounds: Sequence[Bounds]
) -> Iterator[tuple[tuple[int, ...], NDArray[np.intp]]]:
    """Yield the interval in each dimension and the rows in it, ascending; no empty bins.

    Parameters
    ----------
    lens : ndarray, shape (rows, dimensions)
    bounds : sequence of ndarray, one for each dimension
    """
    yield from _bins(lens, bounds, np.arange(len(lens)), ())


def _bins(
    lens: NDArray[np.float64],
    bounds: Sequence[Bounds],
    rows: NDArray[np.intp],
    before: tuple[int, ...],
) -> Iterator[tuple[tuple[int, ...], NDArray[np.intp]]]:
    if len(before) == len(bounds):
        yield before, np.sort(rows)
        return
    values, limits = lens[rows, len(before)], bounds[len(before)]
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.searchsorted(ordered, limits[:, 0], side="left")
    end = np.searchsorted(ordered, limits[:, 1], side="right")
    for number in np.flatnonzero(end > first).tolist():
        inside = rows[order[first[number] : end[number]]]
        yield from _bins(lens, bounds, inside, (*before, number))
