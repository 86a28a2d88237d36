"""Dendrograms: all numbers of groups at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.grouping.labels import Labels

Tree = NDArray[np.float64]


def cut(tree: Tree, n_groups: int) -> Labels:
    """Return the groups that are left when the last ``n_groups - 1`` merges are undone.

    Unlike ``scipy.cluster.hierarchy.fcluster``, which cuts at a distance, this makes exactly as
    many groups as asked for where several merges have the same distance.

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
    for place in range(len(merges) - 1, -1, -1):
        group[merges[place]] = group[neurons + place]
    return group[:neurons]
