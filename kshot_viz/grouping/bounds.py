"""The two distance bounds: farther members leave their group, closer groups merge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.grouping.labels import Labels, canonical
from kshot_viz.grouping.metrics import group_means

Points = NDArray[np.float64]


def separate_far(points: Points, labels: Labels, quantile: float) -> Labels:
    """Give every neuron farther from its group's mean than the bound a group of its own.

    Parameters
    ----------
    points : ndarray, shape (neurons, dimensions)
    labels : ndarray of int, shape (neurons,)
    quantile : float
        The bound as a quantile of the neuron-to-neuron distances.
    """
    bound = _bound(points, quantile)
    rows = canonical(labels)
    distance = np.linalg.norm(points - group_means(points, rows)[rows], axis=1)
    far = np.flatnonzero(distance > bound)
    separated = rows.copy()
    separated[far] = rows.max() + 1 + np.arange(far.size)
    return separated


def merge_close(points: Points, labels: Labels, quantile: float) -> Labels:
    """Merge the two closest groups until all means are at least the bound apart."""
    from scipy.spatial.distance import pdist, squareform

    bound = _bound(points, quantile)
    rows = canonical(labels)
    while rows.max() > 0:
        distance = squareform(pdist(group_means(points, rows)))
        np.fill_diagonal(distance, np.inf)
        first, second = divmod(int(distance.argmin()), len(distance))
        if distance[first, second] >= bound:
            break
        rows = canonical(np.where(rows == second, first, rows))
    return rows


def _bound(points: Points, quantile: float) -> float:
    from scipy.spatial.distance import pdist

    return float(np.quantile(pdist(points), quantile)) if len(points) > 1 else 0.0
