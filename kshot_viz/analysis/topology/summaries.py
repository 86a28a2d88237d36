"""What the shape of a graph is: pieces, loops and branches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kshot_viz.text import counted

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class GraphSummary:
    """Counts of a graph.

    Attributes
    ----------
    nodes, edges : int
    components : int
        Pieces that no edge joins.
    loops : int
        First Betti number of the graph: edges - nodes + components. Where more than two bins meet
        (two dimensions, overlap above 0.5), three nodes that share rows count as a loop.
    branches : int
        Nodes with three or more neighbours.
    covered, noise : int
        Rows in at least one node, and rows in none.
    """

    nodes: int
    edges: int
    components: int
    loops: int
    branches: int
    covered: int
    noise: int

    def __str__(self) -> str:
        parts = (
            counted(self.nodes, "node"),
            counted(self.edges, "edge"),
            counted(self.components, "component"),
            counted(self.loops, "loop"),
            f"{counted(self.branches, 'node')} with three or more neighbours",
        )
        total = self.covered + self.noise
        share = f"{self.covered:,} of {total:,} rows covered, {self.noise:,} noise"
        return f"{', '.join(parts)}; {share}"


def summarised(n_nodes: int, edges: Numbers, covered: int, noise: int) -> GraphSummary:
    """Return the counts of a graph.

    Parameters
    ----------
    n_nodes : int
    edges : ndarray of int, shape (edges, 2)
    covered, noise : int
    """
    pieces = len(set(component_of(n_nodes, edges).tolist()))
    return GraphSummary(
        nodes=n_nodes,
        edges=len(edges),
        components=pieces,
        loops=len(edges) - n_nodes + pieces,
        branches=int((degrees(n_nodes, edges) >= 3).sum()),
        covered=covered,
        noise=noise,
    )


def component_of(n_nodes: int, edges: Numbers) -> Numbers:
    """Return the component of every node; the largest is 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(edges), dtype=bool)
    links = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(n_nodes, n_nodes))
    labels = connected_components(links, directed=False)[1]
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[labels]


def degrees(n_nodes: int, edges: Numbers) -> Numbers:
    """Return the number of neighbours of every node."""
    return np.bincount(edges.ravel(), minlength=n_nodes)
