"""The clustering methods, each a few lines around scikit-learn.

All of them take points, shape (neurons, dimensions), and a number of groups between 2 and
neurons - 1, and return one integer per neuron.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.container import LayerActivations
from kshot_viz.grouping.labels import Labels
from kshot_viz.grouping.metrics import group_means

Points = NDArray[np.float64]


@dataclass(frozen=True)
class ClusterMethod:
    """How neurons become points, and how points become groups."""

    labels: Callable[[Points, int, int], Labels]
    points: Callable[[LayerActivations], Points]


def _compact(layer: LayerActivations) -> Points:
    return layer.compact


def _standardised(layer: LayerActivations) -> Points:
    return layer.standardised()


def _kmeans(points: Points, n_groups: int, seed: int) -> Labels:
    """Best of a start from Ward's groups and of three random starts.

    Ward's groups alone find well-separated clusters that random starts miss.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    start = group_means(points, _ward(points, n_groups, seed))
    with warnings.catch_warnings():
        # Neurons that coincide make fewer groups than asked for; that is what is wanted.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [
            KMeans(n_groups, init=start, n_init=1).fit(points),
            KMeans(n_groups, n_init=3, random_state=seed % 2**32).fit(points),
        ]
    best = min(fits, key=lambda fit: fit.inertia_)
    return best.labels_.astype(np.int64)


def _linkage(linkage: str) -> Callable[[Points, int, int], Labels]:
    def labels(points: Points, n_groups: int, seed: int) -> Labels:
        from sklearn.cluster import AgglomerativeClustering

        fit = AgglomerativeClustering(n_clusters=n_groups, linkage=linkage).fit(points)  # type: ignore[arg-type]
        return fit.labels_.astype(np.int64)

    return labels


_ward = _linkage("ward")


def _spectral(points: Points, n_groups: int, seed: int) -> Labels:
    """Normalised cuts (Ng, Jordan & Weiss, 2001) of a Gaussian affinity as wide as usual distances.

    Eigenvectors become groups by a pivoted QR (Damle, Minden & Ying, 2019), so nothing is random.
    Unlike in scikit-learn a neuron is similar to itself: otherwise one that is like no other could
    not have a group of its own.
    """
    from scipy.linalg import eigh
    from scipy.spatial.distance import pdist, squareform

    distances = pdist(points)
    width = max(float(np.median(distances)), np.finfo(float).tiny ** 0.25)
    affinity = np.exp(-(squareform(distances / width) ** 2))
    degree = np.sqrt(affinity.sum(axis=1))
    last = (len(points) - n_groups, len(points) - 1)
    return _by_pivots(eigh(affinity / np.outer(degree, degree), subset_by_index=last)[1])


def _by_pivots(vectors: Points) -> Labels:
    """Pick one typical row per column, turn the columns towards them, and take the nearest."""
    from scipy.linalg import polar, qr

    typical = qr(vectors.T, mode="r", pivoting=True)[1][: vectors.shape[1]]
    turn = polar(vectors[typical].T)[0]
    return np.abs(vectors @ turn).argmax(axis=1)


def _cosine_average(points: Points, n_groups: int, seed: int) -> Labels:
    """Average linkage on 1 - correlation; the points are standardised already."""
    from sklearn.cluster import AgglomerativeClustering

    distance = 1.0 - np.clip(points @ points.T, -1.0, 1.0)
    fit = AgglomerativeClustering(n_clusters=n_groups, metric="precomputed", linkage="average")
    return fit.fit(distance).labels_.astype(np.int64)


METHODS = {
    "kmeans": ClusterMethod(_kmeans, _compact),
    "ward": ClusterMethod(_ward, _compact),
    "average": ClusterMethod(_linkage("average"), _compact),
    "spectral": ClusterMethod(_spectral, _compact),
    "correlation": ClusterMethod(_cosine_average, _standardised),
}
