"""Epsilon of DBSCAN: the elbow of the distances to near neighbours, and the least that works."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.points import Points
from kshot_viz.seeds import numpy_rng

# Rows whose neighbours are searched; the elbow of a curve needs no more.
_ASKED = 2000


def elbow_epsilon(points: Points, min_samples: int, seed: int) -> float:
    """Return the elbow of the sorted distances to the nearest neighbours (Ester et al., 1996).

    It is the point of the curve that is furthest below the straight line between its ends. Among
    ``min_samples`` rows a row itself is counted, as DBSCAN does.

    Parameters
    ----------
    points : ndarray, shape (rows, features)
    min_samples : int
    seed : int
        Draws the rows that are asked where there are more than 2,000; neighbours are searched among
        all.
    """
    asked = np.arange(len(points))
    if len(points) > _ASKED:
        drawn = numpy_rng(seed, "elbow").choice(len(points), _ASKED, replace=False)
        asked = np.sort(drawn)
    curve = np.sort(_reach(points, points[asked], max(2, min_samples)))
    curve = curve[curve > 0]
    if not len(curve):
        # Every row has copies: their distance to the next other row is what can be asked for.
        curve = np.sort(_reach(np.unique(points, axis=0), points[asked], 2))
    run = np.linspace(0, 1, len(curve))
    rise = (curve - curve[0]) / (np.ptp(curve) or 1.0)
    return float(curve[np.argmax(run - rise)])


def least_epsilon(
    points: Points, members: Iterable[NDArray[np.intp]], clusterer: str, min_samples: int
) -> float:
    """Return an epsilon, rounded up, with which a cluster is found in at least one bin.

    Returns
    -------
    float
        NaN where there is none: no bin holds ``min_samples`` rows.
    """
    first = _first_merge if clusterer == "agglomerative" else _first_core
    large = [points[rows] for rows in members if len(rows) >= max(2, min_samples)]
    least = min((first(inside, min_samples) for inside in large), default=math.nan)
    if math.isnan(least):
        return least
    unit = 10.0 ** (math.floor(math.log10(least)) - 2) if least > 0 else 1e-12
    return float(f"{(math.floor(least / unit) + 1) * unit:.3g}")


def _first_core(points: Points, min_samples: int) -> float:
    return float(_reach(points, points[:_ASKED], min_samples).min())


def _first_merge(points: Points, min_samples: int) -> float:
    from scipy.cluster.hierarchy import linkage

    tree = linkage(points[:_ASKED].astype(np.float64), "average")
    return float(tree[tree[:, 3] >= min_samples, 2].min(initial=np.inf))


def _reach(points: Points, asked: Points, k: int) -> NDArray[np.float64]:
    """Return the distance from each asked row to its k-th nearest, counting itself."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(k, len(points))).fit(points)
    return search.kneighbors(asked)[0][:, -1].astype(np.float64)
