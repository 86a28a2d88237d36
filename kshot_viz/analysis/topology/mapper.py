"""Mapper (Singh, Memoli & Carlsson, 2007): the shape of a point cloud as a graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.analysis.topology.clusterers import CLUSTERERS, bin_labels
from kshot_viz.analysis.topology.cover import COVERS, bins, cover_bounds, default_intervals
from kshot_viz.analysis.topology.epsilon import elbow_epsilon, least_epsilon
from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.analysis.topology.lenses import check_spread, given_lens, lens_values
from kshot_viz.analysis.topology.nerve import shared_rows
from kshot_viz.analysis.topology.nodes import MapperNode, checked_labels, mean_node, top_classes
from kshot_viz.analysis.topology.points import Points, canonical_order, checked_points
from kshot_viz.checks import checked, number, optional, text, whole
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.threads import one_thread

Rows = NDArray[np.int64]


@checked(
    intervals=optional(whole(2, 10_000)),
    overlap=number(0, above=True),
    cover=text,
    clusterer=text,
    epsilon=optional(number(0, above=True)),
    min_samples=whole(1),
    seed=whole(0),
)
@one_thread()
def mapper_graph(
    points: ArrayLike,
    lens: str | ArrayLike = "norm",
    *,
    labels: Any = None,
    intervals: int | None = None,
    overlap: float = 0.3,
    cover: str = "uniform",
    clusterer: str = "dbscan",
    epsilon: float | None = None,
    min_samples: int = 5,
    seed: int = 0,
) -> MapperGraph:
    """Return the Mapper graph of a point cloud.

    The lens is cut into overlapping intervals; the rows in each of them are clustered; every
    cluster is a node, and two nodes are joined where they share rows. With the L2 norm as lens and
    DBSCAN these are the graphs of TopoAct (Rathore et al., Computer Graphics Forum 2021).

    Parameters
    ----------
    points : array_like, shape (rows, features)
        What is studied: activation vectors (see ``activation_points``), or neurons.
    lens : str or array_like, shape (rows,) or (rows, 2)
        ``"norm"`` (L2), ``"pca"`` or ``"pca2"`` (one or two principal components), ``"umap"`` (its
        two coordinates), ``"density"`` (logarithm of a Gaussian kernel density),
        ``"eccentricity"`` (mean distance to the others), or numbers such as the score of a class.
    labels : sequence, optional
        A class for each row.
    intervals : int, optional
        Intervals in each dimension of the lens; by default one for 15 rows, from 5 to 20.
    overlap : float
        The part of its length that an interval shares with the next, between 0 and 1. Above 0.5
        intervals that are not neighbours meet too.
    cover : {"uniform", "balanced"}
        Intervals of equal length, or with equally many rows.
    clusterer : {"dbscan", "agglomerative", "hdbscan"}
        Agglomerative clustering is average linkage.
    epsilon : float, optional
        Distance within which DBSCAN has neighbours, and average linkage merges. By default the
        elbow of the distances to the ``min_samples``-th nearest rows. HDBSCAN takes none.
    min_samples : int
        Neighbours of a core point of DBSCAN, itself among them; the least size of a cluster for the
        others.
    seed : int
        Draws the rows that stand for all in large clouds: for the elbow, ``"density"`` and
        ``"eccentricity"``, of more than 2,000.

    Returns
    -------
    MapperGraph
        The same for every order of the rows, except that equal rows with different labels keep
        their own.

    Raises
    ------
    KShotKeyError
        For an unknown lens, cover or clusterer.
    KShotValueError
        For points that are not finite, too few, or all equal; a lens that is the same for all; and
        where every row is noise: the message says which epsilon finds a cluster.
    """
    _check(overlap, cover, clusterer, epsilon)
    cloud = checked_points(points)
    given = given_lens(lens, len(cloud))
    names = checked_labels(labels, len(cloud))
    order = canonical_order(cloud, given)
    cloud = cloud[order]
    name = lens if isinstance(lens, str) else "given"
    values = lens_values(cloud, name, seed) if given is None else given[order]
    check_spread(values, name, 0.0 if given is not None else float(np.finfo(cloud.dtype).eps))
    if epsilon is None and clusterer != "hdbscan":
        epsilon = elbow_epsilon(cloud, min_samples, seed)
    intervals = intervals or default_intervals(len(cloud))
    bounds = tuple(cover_bounds(one, intervals, overlap, cover) for one in values.T)
    found = _clusters(cloud, values, bounds, clusterer, epsilon or 0.0, min_samples)
    if not found:
        raise _all_noise(cloud, values, bounds, clusterer, epsilon, min_samples)
    nodes = [mean_node(*one, cloud, values) for one in found]
    edges, shared = shared_rows([one.members for one in nodes], len(cloud))
    back = np.empty_like(values)
    back[order] = values
    settings = {
        "lens": name, "intervals": intervals, "overlap": float(overlap), "cover": cover,
        "clusterer": clusterer, "epsilon": epsilon, "min_samples": min_samples, "seed": seed,
    }  # fmt: skip
    return MapperGraph(
        nodes=tuple(_named(one, order, names) for one in nodes),
        edges=edges,
        shared=shared,
        n_points=len(cloud),
        lens=back,
        bounds=bounds,
        labels=names,
        settings=settings,
    )


def _check(overlap: float, cover: str, clusterer: str, epsilon: float | None) -> None:
    if overlap >= 1:
        raise KShotValueError(f"`overlap` must be a number between 0 and 1; not {overlap!r}.")
    if cover not in COVERS:
        raise unknown_name("cover", cover, COVERS)
    if clusterer not in CLUSTERERS:
        raise unknown_name("clusterer", clusterer, CLUSTERERS)
    if clusterer == "hdbscan" and epsilon is not None:
        raise KShotValueError(
            "clusterer='hdbscan' finds its own scales, so it takes no `epsilon`; 'dbscan' does."
        )


def _clusters(
    points: Points,
    lens: NDArray[np.float64],
    bounds: tuple[NDArray[np.float64], ...],
    clusterer: str,
    epsilon: float,
    min_samples: int,
) -> list[tuple[str, tuple[int, ...], Rows]]:
    """Return name, bin and rows of every cluster, bin by bin."""
    found = []
    for where, rows in bins(lens, bounds):
        labels = bin_labels(points[rows], clusterer, epsilon, min_samples)
        cube = int(np.ravel_multi_index(where, [len(one) for one in bounds]))
        for cluster in range(labels.max() + 1):
            found.append((f"cube{cube}_cluster{cluster}", where, rows[labels == cluster]))
    return found


def _named(node: MapperNode, order: NDArray[np.intp], labels: tuple[str, ...] | None) -> MapperNode:
    """Return a node with the numbers that its rows had when they came, and their labels."""
    members = np.sort(order[node.members])
    if labels is None:
        return replace(node, members=members)
    classes, shares = top_classes([labels[row] for row in members])
    return replace(node, members=members, classes=classes, shares=shares)


def _all_noise(
    points: Points,
    lens: NDArray[np.float64],
    bounds: tuple[NDArray[np.float64], ...],
    clusterer: str,
    epsilon: float | None,
    min_samples: int,
) -> KShotValueError:
    members = [rows for _, rows in bins(lens, bounds)]
    largest = max(map(len, members))
    start = f"All {len(points)} rows are noise: no node is left. "
    if clusterer == "hdbscan" or largest < min_samples:
        return KShotValueError(
            f"{start}The largest bin holds {largest} rows, and `min_samples` is {min_samples}: "
            f"take fewer `intervals`, more `overlap` or a smaller `min_samples`."
        )
    least = least_epsilon(points, members, clusterer, min_samples)
    return KShotValueError(
        f"{start}With epsilon={epsilon:.4g} no bin has a cluster of {min_samples}; with "
        f"epsilon={least:g} one has. Or take fewer `intervals`, or a smaller `min_samples`."
    )
