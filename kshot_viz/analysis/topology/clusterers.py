"""Clustering inside one bin, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.density_clusters import density_labels, numbered
from kshot_viz.analysis.topology.points import Points
from kshot_viz.errors import KShotValueError

CLUSTERERS = ("dbscan", "agglomerative", "hdbscan")
# Average linkage needs all distances: 400 MB for so many rows.
MOST_LINKED = 10_000
Labels = NDArray[np.int64]


def bin_labels(points: Points, clusterer: str, epsilon: float, min_samples: int) -> Labels:
    """Return the cluster of every row of one bin, -1 for noise.

    Parameters
    ----------
    points : ndarray, shape (rows, features)
    clusterer : {"dbscan", "agglomerative", "hdbscan"}
    epsilon : float
        Neighbours of DBSCAN; the distance up to which average linkage merges. HDBSCAN has none.
    min_samples : int
        Neighbours of a core point of DBSCAN, itself among them; the least size of a cluster for the
        others.

    Raises
    ------
    KShotValueError
        Where a bin is too large for average linkage.
    """
    if len(points) < min_samples:
        return np.full(len(points), -1)
    if clusterer == "dbscan":
        return density_labels(points, epsilon, min_samples)
    if clusterer == "agglomerative":
        return _linked(points, epsilon, min_samples)
    return _nested(points, min_samples)


def _linked(points: Points, epsilon: float, min_samples: int) -> Labels:
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(points) > MOST_LINKED:
        raise KShotValueError(
            f"A bin has {len(points):,} rows, and clusterer='agglomerative' takes {MOST_LINKED:,} "
            f"at most, since it needs all their distances. Take more `intervals`, or 'dbscan'."
        )
    if len(points) == 1:
        return np.zeros(1, dtype=np.int64)
    # In float64: single precision would decide ties by rounding.
    tree = linkage(points.astype(np.float64), "average")
    found = fcluster(tree, epsilon, "distance")
    return _without_small(found.astype(np.int64), min_samples)


def _nested(points: Points, min_samples: int) -> Labels:
    from sklearn.cluster import HDBSCAN

    least = max(2, min_samples)
    if len(points) < least:
        return np.full(len(points), -1)
    # Most bins hold one cluster. No epsilon: with one, scikit-learn fails where it is the only one.
    model = HDBSCAN(least, allow_single_cluster=True, copy=True, n_jobs=1)
    return _without_small(model.fit_predict(points).astype(np.int64), 1)


def _without_small(labels: Labels, least: int) -> Labels:
    """Make rows of small clusters noise, and number the rest by their first row."""
    sizes = np.bincount(labels + 1)
    kept = (labels >= 0) & (sizes[labels + 1] >= least)
    result = np.full(len(labels), -1)
    result[kept] = numbered(labels[kept])
    return result
