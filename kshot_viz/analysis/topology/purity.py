"""Purity: whether nodes hold rows of one class, beside the same nodes with shuffled labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.analysis.topology.nerve import incidence
from kshot_viz.analysis.topology.nodes import checked_labels
from kshot_viz.checks import checked, instance, whole
from kshot_viz.errors import KShotValueError
from kshot_viz.seeds import numpy_rng
from kshot_viz.text import counted, p_text


@dataclass(frozen=True)
class NodePurity:
    """Mean purity of the nodes, and what shuffled labels give.

    Attributes
    ----------
    mean : float
        Share of the most frequent class, averaged over nodes by their sizes.
    null_mean : float
        The same with shuffled labels, averaged over the shuffles.
    p_value : float
        Share of shuffles at least as pure, the labels themselves counted as one.
    n_shuffles : int
    noise : int
        Rows in no node, of which this says nothing.
    """

    mean: float
    null_mean: float
    p_value: float
    n_shuffles: int
    noise: int = 0

    @property
    def gain(self) -> float:
        """Purity above that of shuffled labels."""
        return self.mean - self.null_mean

    def __str__(self) -> str:
        noise = f"; {counted(self.noise, 'row')} in no node left out" if self.noise else ""
        return (
            f"purity {self.mean:.3f}, {self.null_mean:.3f} with shuffled labels "
            f"(p {p_text(self.p_value)}, {self.n_shuffles} shuffles){noise}"
        )


@checked(graph=instance(MapperGraph), n_shuffles=whole(1), seed=whole(0))
def node_purity(
    graph: MapperGraph, labels: Any = None, *, n_shuffles: int = 200, seed: int = 0
) -> NodePurity:
    """Compare the purity of a graph's nodes with that of shuffled labels.

    Nodes are small, so they look pure by chance alone: only the distance to shuffled labels counts.

    Parameters
    ----------
    graph : MapperGraph
    labels : sequence, optional
        A class for each row of its points; those of the graph by default.
    n_shuffles : int
    seed : int

    Returns
    -------
    NodePurity

    Raises
    ------
    KShotValueError
        Without labels, or for another number of them.
    """
    names = checked_labels(labels, graph.n_points) or graph.labels
    if names is None:
        raise KShotValueError(
            "The graph has no labels: give `labels` here, or to mapper_graph when it is made."
        )
    classes = np.unique(np.array(names), return_inverse=True)[1]
    holds, total = incidence([node.members for node in graph.nodes], graph.n_points), graph.sizes
    rng = numpy_rng(seed, "purity")
    mean = _purity(holds, classes, total.sum())
    null = [_purity(holds, rng.permutation(classes), total.sum()) for _ in range(n_shuffles)]
    # Equal shares may differ by rounding.
    beaten = (np.array(null) >= mean - 1e-12).sum()
    p_value = float((1 + beaten) / (1 + n_shuffles))
    return NodePurity(mean, float(np.mean(null)), p_value, n_shuffles, len(graph.noise))


def _purity(holds: Any, classes: np.ndarray, total: int) -> float:
    from scipy.sparse import csr_array

    rows = np.arange(len(classes))
    ones = np.ones(len(classes), dtype=np.int64)
    kinds = csr_array((ones, (rows, classes)), shape=(len(classes), int(classes.max()) + 1))
    return float((holds @ kinds).max(axis=1).sum() / total)
