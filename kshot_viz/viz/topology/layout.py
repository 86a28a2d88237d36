"""Positions of the nodes of a graph: a force layout of each component, packed into rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.analysis.topology.summaries import component_of
from kshot_viz.errors import KShotError
from kshot_viz.seeds import child_seed
from kshot_viz.viz.topology.large_layout import large_layout

Positions = NDArray[np.float64]
# Up to here a layout by distances in the graph is quick, and a good start.
_SMALL = 150
# Beyond, time must not grow with the square of the nodes.
_LARGE = 500
_MARGIN = 1.0
# The figure is wider than high.
_WIDER = 1.5


def graph_layout(graph: MapperGraph, kept: NDArray[np.int64], *, seed: int) -> Positions:
    """Return the position of each kept node; nodes of one component stay together.

    Parameters
    ----------
    graph : MapperGraph
    kept : ndarray of int, shape (nodes,)
        Positions in ``graph.nodes``, ascending.
    seed : int

    Returns
    -------
    ndarray, shape (nodes, 2)

    Raises
    ------
    KShotError
        Where networkx is not installed.
    """
    inside = np.isin(graph.edges, kept).all(axis=1)
    edges = np.searchsorted(kept, graph.edges[inside])
    component = component_of(len(kept), edges)
    positions = np.zeros((len(kept), 2))
    for number in range(component.max(initial=-1) + 1):
        own = np.flatnonzero(component == number)
        chosen = component[edges[:, 0]] == number
        links = np.searchsorted(own, edges[chosen])
        weights = graph.jaccard[inside][chosen]
        positions[own] = _spring(len(own), links, weights, child_seed(seed, "layout", number))
    return _packed(positions, component)


def _spring(n: int, links: NDArray[np.int64], weights: Positions, seed: int) -> Positions:
    """Return a force layout (Fruchterman & Reingold, 1991) with area in proportion to n."""
    if n == 1:
        return np.zeros((1, 2))
    # All edges pull, whatever few rows they stand for: else weak ones would be as long as the rest.
    pulls = 0.3 + 0.7 * weights
    if n > _LARGE:
        return _sized(large_layout(n, links, pulls, seed))
    try:
        import networkx
    except ImportError as error:
        raise KShotError("Drawing a Mapper graph needs networkx: pip install networkx.") from error
    net = networkx.Graph()
    net.add_nodes_from(range(n))
    net.add_weighted_edges_from(
        (one, other, pull) for (one, other), pull in zip(links, pulls.tolist(), strict=True)
    )
    start = networkx.kamada_kawai_layout(net, weight=None) if n <= _SMALL else None
    found = networkx.spring_layout(net, pos=start, iterations=60, seed=seed % 2**32)
    return _sized(np.array([found[node] for node in range(n)]))


def _sized(placed: Positions) -> Positions:
    turned = _upright(placed - placed.mean(axis=0))
    size = np.abs(turned).max() or 1.0
    return turned / size * np.sqrt(len(placed))


def _upright(centred: Positions) -> Positions:
    """Turn a component so that its long side lies flat."""
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    return centred @ axes.T


def _packed(positions: Positions, component: NDArray[np.int64]) -> Positions:
    """Put components beside each other, in rows from the top left."""
    result = positions.copy()
    members = [np.flatnonzero(component == one) for one in range(component.max(initial=-1) + 1)]
    sizes = [np.ptp(positions[own], axis=0) + _MARGIN for own in members]
    area = sum(float(np.prod(size)) for size in sizes)
    widest = max((size[0] for size in sizes), default=1.0)
    width = max(widest, np.sqrt(area * _WIDER))
    left = top = height = 0.0
    for own, size in zip(members, sizes, strict=True):
        if left and left + size[0] > width:
            left, top, height = 0.0, top - height, 0.0
        lowest, highest = positions[own].min(axis=0), positions[own].max(axis=0)
        result[own] += [left - lowest[0], top - highest[1]]
        left, height = left + size[0], max(height, size[1])
    return result
