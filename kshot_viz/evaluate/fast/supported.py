"""Which layers there is a rule for, and which tails can run for several candidates at once."""

from __future__ import annotations

from torch import fx, nn

from kshot_viz.evaluate.fast.graph import Graph, hooked
from kshot_viz.evaluate.fast.per_image import by_image
from kshot_viz.evaluate.fast.split import Tail
from kshot_viz.models.head import Head

CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def batches(tail: Tail) -> bool:
    """Say whether the whole tail can run for several candidates at once."""
    graph = tail.graph
    return all(by_image(graph, node) or takes_lanes(graph, node) for node in tail.nodes)


def takes_lanes(graph: Graph, node: fx.Node) -> bool:
    """Say whether there is a rule that runs this call for several candidates at once."""
    if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return False
    layer = graph.target(node)
    if hooked(layer):
        return False
    if type(layer) in NORMS:
        return layer.running_mean is not None and not layer.training
    if type(layer) in CONV:
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if type(layer) is Head:
        return layer.axis == 1
    # A linear layer on tokens counts features last; candidates' channels lie second.
    return type(layer) is nn.Linear and len(node.meta["shape"]) == 2
