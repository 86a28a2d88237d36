"""Graphs of one layer's activations before and after tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.analysis.activation_points import activation_points
from kshot_viz.analysis.topology.graph import MapperGraph
from kshot_viz.analysis.topology.mapper import mapper_graph
from kshot_viz.analysis.topology.matching import match_nodes
from kshot_viz.analysis.topology.purity import NodePurity, node_purity
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import numpy_rng
from kshot_viz.text import counted

if TYPE_CHECKING:
    import pandas as pd

# Images in the graphs at most.
_IMAGES = 2000


@dataclass(frozen=True, eq=False)
class Topology:
    """Graphs of the same images before and after.

    Attributes
    ----------
    layer : str
    before, after : MapperGraph
    purity_before, purity_after : NodePurity
    """

    layer: str
    before: MapperGraph
    after: MapperGraph
    purity_before: NodePurity
    purity_after: NodePurity

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return the nodes of both graphs, and how they match."""
        return {
            "nodes_before": self.before.frame(),
            "nodes_after": self.after.frame(),
            "matched_nodes": match_nodes(self.before, self.after),
        }

    def finding(self) -> str:
        """Return what was found in one paragraph, made from the numbers."""
        pairs = match_nodes(self.before, self.after)
        met = pairs[pairs["first"].notna() & pairs["second"].notna()]
        first, second = self.purity_before, self.purity_after
        alike = f", with a mean Jaccard index of {met['jaccard'].mean():.2f}" if len(met) else ""
        return (
            f"Topology of {self.layer}: {counted(len(self.before.nodes), 'node')} before and "
            f"{len(self.after.nodes)} after; purity {first.mean:.2f} ({first.null_mean:.2f} with "
            f"shuffled labels) before, {second.mean:.2f} ({second.null_mean:.2f}) after. Noise are "
            f"{len(self.before.noise)} and {len(self.after.noise)} of {self.before.n_points} "
            f"images. {len(met)} pairs of nodes share images{alike}."
        )


def topology_of(
    backbone: Backbone, tuned: Backbone, data: ImageDataset, layer: str, seed: int
) -> Topology:
    """Return the graphs of a layer, of some images where there are many."""
    kept = np.sort(numpy_rng(seed, "graph images").permutation(len(data))[:_IMAGES])
    images = data.take(kept.tolist())
    before, after = (
        mapper_graph(activation_points(one, images, layer).points, labels=images.labels)
        for one in (backbone, tuned)
    )
    return Topology(layer, before, after, node_purity(before), node_purity(after))
