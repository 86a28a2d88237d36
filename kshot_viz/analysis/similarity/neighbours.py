"""Similarity by who is near whom: common nearest neighbours, and ranks of distances (RSA)."""

from __future__ import annotations

import numpy as np

from kshot_viz.analysis.similarity.kernels import Square
from kshot_viz.analysis.similarity.samples import ratio

NEIGHBOURS = 10


def common_neighbours(first: Square, second: Square) -> float:
    """Return the mean share of a sample's 10 nearest that are so in both, from distances.

    As in Huh et al., "The Platonic Representation Hypothesis", ICML 2024, with Euclidean distances.
    """
    near = [_nearest(one) for one in (first, second)]
    return float((near[0] & near[1]).sum() / (NEIGHBOURS * len(first)))


def rsa(first: Square, second: Square) -> float:
    """Return Spearman's correlation of the distances of all pairs of samples.

    Representational similarity analysis (Kriegeskorte et al., Frontiers 2008).
    """
    from scipy.stats import rankdata

    upper = np.triu_indices(len(first), 1)
    a, b = (rankdata(one[upper]) - (upper[0].size + 1) / 2 for one in (first, second))
    return ratio(float(a @ b), float(np.linalg.norm(a) * np.linalg.norm(b)))


def _nearest(distances: Square) -> np.ndarray:
    """Return which samples are among the nearest of each, boolean (n, n)."""
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    order = np.argsort(others, axis=1, kind="stable")[:, :NEIGHBOURS]
    found = np.zeros(others.shape, dtype=bool)
    np.put_along_axis(found, order, values=True, axis=1)
    return found
