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
    """Spectral clustering of a Gaussian affinity whose width adapts to each neuron.

    The width of a pair is the product of both neurons' distances to their seventh neighbour
    (Zelnik-Manor & Perona, 2004).
    """
    from scipy.spatial.distance import pdist, squareform
    from sklearn.cluster import SpectralClustering

    distances = squareform(pdist(points))
    near = np.sort(distances, axis=1)[:, min(7, len(points) - 1)]
    width = np.maximum(near, np.finfo(float).tiny ** 0.25)
    affinity = np.exp(-(distances**2) / np.outer(width, width))
    # A little of everything keeps the graph connected, which the eigensolver needs.
    fit = SpectralClustering(
        n_groups, affinity="precomputed", assign_labels="cluster_qr", random_state=seed % 2**32
    ).fit(affinity + 1e-6)
    return fit.labels_.astype(np.int64)


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
