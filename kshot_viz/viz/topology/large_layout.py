"""Force layout of large connected graphs: forces on a grid, so time grows with the nodes.

The start is PivotMDS (Brandes & Pich, 2006): distances in the graph to a few nodes, projected to
two dimensions. Then nodes repel each other as in Fruchterman & Reingold (1991): far ones through
their density on a grid, as particle simulations do, near ones pair by pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.seeds import numpy_rng

Positions = NDArray[np.float64]
Links = NDArray[np.int64]
_PIVOTS = 40
_STEPS = 70
_MOST_CELLS = 128
_NEAR = 1.0


def large_layout(n: int, links: Links, weights: Positions, seed: int) -> Positions:
    """Return a force layout of a connected graph, in which neighbours are about 1 from each other.

    Parameters
    ----------
    n : int
        Nodes, two or more.
    links : ndarray of int, shape (edges, 2)
    weights : ndarray, shape (edges,)
        How strongly an edge pulls, up to 1.
    seed : int
        Draws the small distances between nodes that would coincide.

    Returns
    -------
    ndarray, shape (n, 2)
    """
    noise = numpy_rng(seed, "layout").normal(0, 0.1, (n, 2))
    at = _pivot_positions(n, links) + noise
    for heat in np.linspace(1.0, 0.05, _STEPS) ** 1.5:
        push = _far(at) + _near(at) + _pull(at, links, weights)
        length = np.maximum(np.hypot(*push.T), 1e-9)
        at = at + push * (np.minimum(length, 2 * heat) / length)[:, None]
    return at


def _pivot_positions(n: int, links: Links) -> Positions:
    """Project distances in the graph to some far nodes onto their two main directions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    ones = np.ones(len(links))
    net = coo_array((ones, (links[:, 0], links[:, 1])), shape=(n, n)).tocsr()
    first = dijkstra(net, directed=False, unweighted=True, indices=0)
    found = [dijkstra(net, directed=False, unweighted=True, indices=int(first.argmax()))]
    nearest = found[0].copy()
    while len(found) < min(_PIVOTS, n):
        one = dijkstra(net, directed=False, unweighted=True, indices=int(nearest.argmax()))
        found.append(one)
        nearest = np.minimum(nearest, one)
    squares = np.array(found).T ** 2
    squares = squares - squares.mean(axis=0) - squares.mean(axis=1, keepdims=True) + squares.mean()
    directions = np.linalg.eigh(squares.T @ squares)[1][:, ::-1][:, :2]
    flat = squares @ directions
    # As large as a layout whose area is in proportion to its nodes.
    return flat * np.sqrt(n) / max(float(np.abs(flat).max()), 1e-9) / 1.4


def _far(at: Positions) -> Positions:
    """Return the repulsion of all nodes, from their density on a grid."""
    from scipy.signal import fftconvolve

    cells = int(np.clip(np.sqrt(len(at)) * 1.2, 8, _MOST_CELLS))
    low = at.min(axis=0)
    side = max(float(np.ptp(at, axis=0).max()), 1e-9) / (cells - 1)
    corner, share = _corners((at - low) / side, cells)
    size = (cells + 1) ** 2
    density = np.bincount(corner.ravel(), share.ravel(), size).reshape(cells + 1, cells + 1)
    span = np.arange(-cells, cells + 1) * side
    x, y = np.meshgrid(span, span, indexing="ij")
    squares = x**2 + y**2 + (0.5 * side) ** 2
    fields = [
        fftconvolve(density, one / squares, mode="full")[
            cells : 2 * cells + 1, cells : 2 * cells + 1
        ]
        for one in (x, y)
    ]
    return np.stack([(one.ravel()[corner] * share).sum(axis=1) for one in fields], axis=1)


def _corners(where: Positions, cells: int) -> tuple[NDArray[np.int64], Positions]:
    """Return the four grid points around every node, and its share of each."""
    low = np.clip(np.floor(where).astype(np.int64), 0, cells - 1)
    part = where - low
    corners, shares = [], []
    for right in (0, 1):
        for up in (0, 1):
            corners.append((low[:, 0] + right) * (cells + 1) + low[:, 1] + up)
            across = part[:, 0] if right else 1 - part[:, 0]
            along = part[:, 1] if up else 1 - part[:, 1]
            shares.append(across * along)
    return np.stack(corners, axis=1), np.stack(shares, axis=1)


def _near(at: Positions) -> Positions:
    """Return the repulsion of nodes that are so near that the grid does not part them."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(at).query_pairs(_NEAR, output_type="ndarray")
    gap = at[pairs[:, 0]] - at[pairs[:, 1]]
    force = gap / np.maximum((gap**2).sum(axis=1), 0.01)[:, None]
    return _summed(len(at), pairs, force)


def _pull(at: Positions, links: Links, weights: Positions) -> Positions:
    gap = at[links[:, 1]] - at[links[:, 0]]
    force = gap * (np.hypot(*gap.T) * weights)[:, None]
    return _summed(len(at), links, force)


def _summed(n: int, pairs: Links, force: Positions) -> Positions:
    """Sum forces: each acts on the first node of its pair, and the other way on the second."""
    return np.stack(
        [np.bincount(pairs[:, 0], one, n) - np.bincount(pairs[:, 1], one, n) for one in force.T],
        axis=1,
    )
