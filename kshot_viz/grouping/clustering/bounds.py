"""Distance bounds on groups: far members leave their group, close groups merge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.grouping.labels import Labels, canonical
from kshot_viz.grouping.metrics import group_means

Points = NDArray[np.float64]


def separate_far(points: Points, labels: Labels, quantile: float) -> Labels:
    """Give every neuron farther from its group's mean than the bound a group of its own.

    A mean moves when members leave, so this is repeated until the bound holds.

    Parameters
    ----------
    points : ndarray, shape (neurons, dimensions)
    labels : ndarray of int, shape (neurons,)
    quantile : float
        The bound as a quantile of the neuron-to-neuron distances.
    """
    bound = _bound(points, quantile)
    rows = canonical(labels)
    while (far := np.flatnonzero(_to_mean(points, rows) > bound)).size:
        rows[far] = rows.max() + 1 + np.arange(far.size)
        rows = canonical(rows)
    return rows


def merge_close(points: Points, labels: Labels, quantile: float) -> Labels:
    """Merge the two closest groups until the distance of all means is at least the bound."""
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


def _to_mean(points: Points, labels: Labels) -> NDArray[np.float64]:
    return np.linalg.norm(points - group_means(points, labels)[labels], axis=1)


def _bound(points: Points, quantile: float) -> float:
    from scipy.spatial.distance import pdist

    return float(np.quantile(pdist(points), quantile)) if len(points) > 1 else 0.0
