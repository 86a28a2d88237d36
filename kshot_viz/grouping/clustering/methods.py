"""Clustering methods, each a few lines around scikit-learn or scipy.

All of them take points, shape (neurons, dimensions), and a seed, and return a function that cuts
these points into a number of groups between 2 and neurons - 1: one integer per neuron. What can be
shared between numbers of groups (a dendrogram) is computed once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.activations import LayerActivations
from kshot_viz.activations.pooling import isometric
from kshot_viz.checks import check, text
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.labels import Labels
from kshot_viz.grouping.metrics import group_means

Points = NDArray[np.float64]
# On layers of 512 neurons random starts end 3 to 7 % worse than Ward's from about 50 groups on, and
# for 1,000 groups of 2,000 neurons they take 20 times as long.
RANDOM_STARTS = 50
Cut = Callable[[int], Labels]


@dataclass(frozen=True)
class ClusterMethod:
    """How neurons become points, and how points become groups."""

    clustering: Callable[[Points, int], Cut]
    points: Callable[[LayerActivations], Points]


def _compact(layer: LayerActivations) -> Points:
    return layer.compact


def _standardised(layer: LayerActivations) -> Points:
    return layer.standardised()


def _directions(layer: LayerActivations) -> Points:
    lengths = np.linalg.norm(layer.compact, axis=1, keepdims=True)
    return np.divide(layer.compact, lengths, out=np.zeros_like(layer.compact), where=lengths > 0)


def _without_signs(layer: LayerActivations) -> Points:
    """Return points whose inner products are squared correlations, which are a kernel too."""
    return isometric(layer.correlation() ** 2)


def _kmeans(points: Points, seed: int) -> Cut:
    """Best of a start from Ward's groups and, for few groups, of three random starts.

    Ward's groups alone find well-separated clusters that random starts miss.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    start = _linkage("ward")(points, seed)

    def cut(n_groups: int) -> Labels:
        means = group_means(points, _numbered(start(n_groups)))
        with warnings.catch_warnings():
            # Neurons that coincide make fewer groups than requested; that is intended.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits = [KMeans(n_groups, init=means, n_init=1).fit(points)]
            if n_groups <= RANDOM_STARTS:
                fits.append(KMeans(n_groups, n_init=3, random_state=seed % 2**32).fit(points))
        best = min(fits, key=lambda fit: fit.inertia_)
        return best.labels_.astype(np.int64)

    return cut


def _linkage(method: str) -> Callable[[Points, int], Cut]:
    def clustering(points: Points, seed: int) -> Cut:
        from scipy.cluster.hierarchy import linkage

        return partial(cut_tree, linkage(points, method))

    return clustering


def cut_tree(tree: Points, n_groups: int) -> Labels:
    """Return the groups that are left when the last ``n_groups - 1`` merges are undone.

    Unlike ``scipy.cluster.hierarchy.fcluster``, which cuts at a distance, this makes exactly as
    many groups as requested where several merges have the same distance.

    Parameters
    ----------
    tree : ndarray, shape (neurons - 1, 4)
        Merges in order, as made by ``scipy.cluster.hierarchy.linkage``.
    n_groups : int

    Returns
    -------
    ndarray of int, shape (neurons,)
        Labels, not canonical.
    """
    neurons = len(tree) + 1
    merges = tree[: neurons - n_groups, :2].astype(np.int64)
    group = np.arange(neurons + len(merges))
    for merge in range(len(merges) - 1, -1, -1):
        group[merges[merge]] = group[neurons + merge]
    return group[:neurons]


def _spectral(points: Points, seed: int) -> Cut:
    """Normalised cuts (Ng, Jordan & Weiss, 2001) of a Gaussian affinity as wide as usual distances.

    Eigenvectors become groups by a pivoted QR (Damle, Minden & Ying, 2019), so nothing is random.
    Unlike in scikit-learn a neuron is similar to itself: otherwise one that is like no other could
    not have a group of its own.

    Neurons that coincide count with their number, but are one point: in the eigenvectors rounding
    alone would decide which of them share a group. So there are at most as many groups as distinct
    neurons.
    """
    from scipy.linalg import eigh
    from scipy.spatial.distance import pdist, squareform

    between = squareform(pdist(points))
    firsts = _first_copies(points, between)
    distinct, row, copies = np.unique(firsts, return_inverse=True, return_counts=True)
    if len(distinct) == 1:
        return lambda n_groups: row
    distances = between[np.ix_(distinct, distinct)]
    width = max(float(np.median(squareform(distances))), np.finfo(float).tiny ** 0.25)
    affinity = np.exp(-((distances / width) ** 2))
    degree = np.sqrt((affinity * copies).sum(axis=1))
    weight = np.sqrt(copies)
    normalised = affinity / np.outer(degree, degree) * np.outer(weight, weight)

    def cut(n_groups: int) -> Labels:
        if n_groups >= len(distinct):
            return row
        last = (len(distinct) - n_groups, len(distinct) - 1)
        vectors = eigh(normalised, subset_by_index=last)[1] / weight[:, None]
        return _by_pivots(vectors)[row]

    return cut


def _first_copies(points: Points, distances: Points) -> Labels:
    """Return the first neuron that each one coincides with, up to rounding."""
    # Coordinates made from inner products are exact up to the root of their relative rounding.
    bound = np.sqrt(np.finfo(float).eps * (points**2).sum())
    return (distances <= bound).argmax(axis=1)


def _by_pivots(vectors: Points) -> Labels:
    """Pick one typical row per column, turn the columns towards them, and take the nearest."""
    from scipy.linalg import polar, qr

    typical = qr(vectors.T, mode="r", pivoting=True)[1][: vectors.shape[1]]
    turn = polar(vectors[typical].T)[0]
    return np.abs(vectors @ turn).argmax(axis=1)


def _cosine_average(points: Points, seed: int) -> Cut:
    """Average linkage on 1 - correlation; the points are standardised already."""
    from scipy.cluster.hierarchy import linkage

    above = np.triu_indices(len(points), k=1)
    distance = 1.0 - np.clip(points @ points.T, -1.0, 1.0)
    return partial(cut_tree, linkage(distance[above], "average"))


def check_metric(metric: str, method: str) -> None:
    """Raise a KShotError for an unknown metric, or one that the method does not take."""
    check("metric", metric, text)
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    if method == "correlation" and metric != "euclidean":
        raise KShotValueError(
            f"method='correlation' compares neurons by their correlation already, so it takes no "
            f"metric={metric!r}; method='average' does."
        )


def neuron_points(layer: LayerActivations, method: str, metric: str) -> Points:
    """Return the neurons of a layer as the points that are clustered.

    Parameters
    ----------
    layer : LayerActivations
    method, metric : str
        As in :func:`kshot_viz.cluster_neurons`.

    Returns
    -------
    ndarray, shape (neurons, dimensions)
    """
    make = METHODS[method].points if metric == "euclidean" else METRICS[metric]
    return make(layer)


def _numbered(labels: Labels) -> Labels:
    return np.unique(labels, return_inverse=True)[1]


# Methods with a dendrogram: its cuts lie inside one another, and each takes no time.
NESTED = ("ward", "average", "correlation")
METHODS = {
    "kmeans": ClusterMethod(_kmeans, _compact),
    "ward": ClusterMethod(_linkage("ward"), _compact),
    "average": ClusterMethod(_linkage("average"), _compact),
    "spectral": ClusterMethod(_spectral, _compact),
    "correlation": ClusterMethod(_cosine_average, _standardised),
}
# What the Euclidean distances of the points measure, other than distances between activations.
METRICS: dict[str, Callable[[LayerActivations], Points]] = {
    "euclidean": _compact,
    "cosine": _directions,
    "correlation": _standardised,
    "squared_correlation": _without_signs,
}
