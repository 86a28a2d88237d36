"""DBSCAN (Ester et al., 1996) of large bins, without a quadratic matrix.

Labels are those of ``sklearn.cluster.DBSCAN``, whose lists of neighbours outgrow the memory where a
bin is dense. Distances are computed in blocks in float32; pairs whose distance rounding leaves in
doubt are computed again in float64, so every decision is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.points import Points

Rows = NDArray[np.int64]
Pairs = tuple[Rows, Rows]
_ROWS, _COLUMNS = 512, 4096
# Pairs that are kept (16 bytes each); beyond, they are computed a second time.
PAIRS = 20_000_000


def density_labels(
    points: Points, epsilon: float, min_samples: int, *, most_pairs: int = PAIRS
) -> Rows:
    """Return the cluster of every row, -1 for noise.

    Parameters
    ----------
    points : ndarray, shape (rows, features)
    epsilon : float
        Rows this near are neighbours.
    min_samples : int
        Neighbours of a core point, itself among them.
    most_pairs : int
        Pairs of neighbours that are kept in memory.

    Returns
    -------
    ndarray of int, shape (rows,)
        Clusters are numbered by their first core point. A row near cores of several clusters is in
        the first of them.
    """
    degree = np.ones(len(points), dtype=np.int64)
    kept: list[Pairs] = []
    room = most_pairs
    for pair in near_pairs(points, epsilon):
        for side in pair:
            degree += np.bincount(side, minlength=len(points))
        room -= len(pair[0])
        kept = [*kept, pair] if room >= 0 else []
    core = degree >= min_samples
    if room >= 0:
        whole = [np.concatenate(side) for side in zip(*kept, strict=True)]
        return _labels([(whole[0], whole[1])] if whole else [], core)
    return _labels(near_pairs(points, epsilon), core)


def _labels(pairs: Iterable[Pairs], core: NDArray[np.bool_]) -> Rows:
    """Join cores that are neighbours; then give other rows the first cluster that they touch."""
    n = len(core)
    component, touching = np.arange(n), [np.empty(0, dtype=np.int64)]
    for first, second in pairs:
        both = core[first] & core[second]
        component = _joined(component, first[both], second[both])
        for one, other in ((first, second), (second, first)):
            border = ~core[one] & core[other]
            # One core of each component is enough, whatever it is joined with later.
            touching.append(np.unique(one[border] * n + component[other[border]]))
    borders, cores = np.divmod(np.concatenate(touching), n)
    labels = np.full(n, -1)
    labels[core] = numbered(component[core])
    first_label = np.full(n, n)
    np.minimum.at(first_label, borders, labels[cores])
    return np.where(first_label < n, first_label, labels)


def _joined(component: Rows, first: Rows, second: Rows) -> Rows:
    """Return the first row of every row's component after joining pairs of rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = component[first], component[second]
    new = one != other
    if not new.any():
        return component
    n = len(component)
    links = coo_array((np.ones(int(new.sum()), dtype=bool), (one[new], other[new])), shape=(n, n))
    merged = connected_components(links, directed=False)[1][component]
    _, first_row, inverse = np.unique(merged, return_index=True, return_inverse=True)
    return first_row[inverse]


def numbered(values: Rows) -> Rows:
    """Return numbers of values in the order in which they first appear."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def near_pairs(points: Points, epsilon: float) -> Iterator[Pairs]:
    """Yield all pairs of rows within epsilon of each other, the lower first, in blocks."""
    left, right, scale = _factors(points)
    limit = (epsilon / scale) ** 2
    # A bound of the rounding of a product of rows that are at most one long.
    doubt = (2 * left.shape[1] + 16) * float(np.finfo(np.float32).eps)
    for top in range(0, len(points), _ROWS):
        for start in range(top, len(points), _COLUMNS):
            squared = left[top : top + _ROWS] @ right[start : start + _COLUMNS].T
            hits = np.flatnonzero(squared <= limit + doubt)
            first, second = np.divmod(hits, squared.shape[1])
            first, second = first + top, second + start
            sure = squared.ravel()[hits] <= limit - doubt
            kept = second > first
            unsure = np.flatnonzero(kept & ~sure)
            kept[unsure] = _near(points, first[unsure], second[unsure], epsilon)
            yield first[kept], second[kept]


def _factors(points: Points) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Return two matrices whose product is the squared distances, in units of the scale."""
    centred = points - points.mean(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", centred, centred)
    scale = float(np.sqrt(squares.max())) or 1.0
    rows, own = centred / scale, (squares / scale**2)[:, None]
    one = np.ones_like(own)
    left, right = np.hstack([-2 * rows, own, one]), np.hstack([rows, one, own])
    return left.astype(np.float32), right.astype(np.float32), scale


def _near(points: Points, first: Rows, second: Rows, epsilon: float) -> NDArray[np.bool_]:
    near = np.empty(len(first), dtype=bool)
    step = max(1, 2**22 // points.shape[1])
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        gap = points[first[part]].astype(np.float64) - points[second[part]]
        near[part] = np.einsum("ij,ij->i", gap, gap) <= epsilon**2
    return near
