"""The nerve of a cover: which nodes share rows, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def incidence(members: Sequence[Numbers], n_points: int) -> Any:
    """Return the sparse matrix that is 1 where a node holds a row, shape (nodes, rows)."""
    from scipy.sparse import csr_array

    ends = np.cumsum([0, *map(len, members)])
    rows = np.concatenate([*members, np.empty(0, dtype=np.int64)])
    ones = np.ones(len(rows), dtype=np.int64)
    return csr_array((ones, rows, ends), shape=(len(members), n_points))


def shared_rows(members: Sequence[Numbers], n_points: int) -> tuple[Numbers, Numbers]:
    """Return the pairs of nodes that share rows, in order, and the number of rows shared.

    Parameters
    ----------
    members : sequence of ndarray of int
        Rows of every node.
    n_points : int
        Number of all rows.

    Returns
    -------
    edges : ndarray of int, shape (edges, 2)
        The lower number first.
    shared : ndarray of int, shape (edges,)
    """
    from scipy.sparse import triu

    holds = incidence(members, n_points)
    both = triu(holds @ holds.T, k=1).tocoo()
    order = np.lexsort((both.col, both.row))
    edges = np.stack([both.row[order], both.col[order]], axis=1).astype(np.int64)
    return edges, both.data[order].astype(np.int64)


def jaccard(sizes: Numbers, edges: Numbers, shared: Numbers) -> NDArray[np.float64]:
    """Return for every edge the shared rows as a part of the rows that either node holds."""
    either = sizes[edges[:, 0]] + sizes[edges[:, 1]] - shared
    return shared / either
