"""Which layers and calls can run for several candidates at once."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from kshot_viz.evaluate.fast.graph import Graph, hooked
from kshot_viz.evaluate.fast.split import TrainedPart
from kshot_viz.models.head import Head

CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

# With the dimensions of a batch; given one less, a pooling takes images for channels.
_POOLS = {
    nn.MaxPool1d: 3,
    nn.MaxPool2d: 4,
    nn.MaxPool3d: 5,
    nn.AvgPool1d: 3,
    nn.AvgPool2d: 4,
    nn.AvgPool3d: 5,
    nn.AdaptiveAvgPool1d: 3,
    nn.AdaptiveAvgPool2d: 4,
    nn.AdaptiveMaxPool2d: 4,
}
_ENTRIES = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.Dropout,
    nn.Dropout2d,
    nn.Identity,
)
_ENTRY_FUNCTIONS = {torch.relu, F.relu, F.relu6, F.gelu, F.silu, torch.tanh, torch.sigmoid}
_POOL_FUNCTIONS = {F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d}
_BINARY = {operator.add, operator.sub, operator.mul, torch.add, torch.mul}


def can_batch(part: TrainedPart) -> bool:
    """Return whether the whole trained part can run for several candidates at once."""
    graph = part.graph
    return all(per_image(graph, node) or has_batched_layer(graph, node) for node in part.nodes)


def has_batched_layer(graph: Graph, node: fx.Node) -> bool:
    """Return whether a batched layer runs this call for several candidates at once."""
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


def per_image(graph: Graph, node: fx.Node) -> bool:
    """Return whether a call without parameters computes each image separately."""
    if per_channel(graph, node):
        return True
    if node.op == "call_module":
        module = graph.target(node)
        return type(module) is nn.Flatten and module.start_dim == 1 and not hooked(module)
    if node.target in _BINARY:
        return _same_channels(node)
    if node.target is torch.cat:
        return bool(node.args) and _argument(node, 1, "dim", 0) == 1
    if node.target in (torch.flatten, "flatten"):
        return _argument(node, 1, "start_dim", 0) == 1
    return False


def per_channel(graph: Graph, node: fx.Node) -> bool:
    """Return whether a call with one input computes each image and channel separately."""
    if len(node.all_input_nodes) != 1:
        return False
    if node.op == "call_module":
        return _module_per_channel(graph.target(node), _dimensions(node))
    if node.target in (torch.mean, "mean"):
        return _over_positions(_argument(node, 1, "dim", None))
    if node.target in _POOL_FUNCTIONS:
        return _dimensions(node) == 4
    return node.target in _ENTRY_FUNCTIONS or node.target == "relu"


def _module_per_channel(module: nn.Module, dimensions: int) -> bool:
    if hooked(module) or getattr(module, "return_indices", False):
        return False
    return isinstance(module, _ENTRIES) or _POOLS.get(type(module)) == dimensions


def _dimensions(node: fx.Node) -> int:
    return len(_shape(node.all_input_nodes[0]))


def _same_channels(node: fx.Node) -> bool:
    """Candidates' channels lie side by side, so a value with fewer cannot be spread over them."""
    shapes = [_shape(one) for one in node.all_input_nodes]
    return min(map(len, shapes)) >= 2 and len({(len(one), one[1]) for one in shapes}) == 1


def _shape(node: fx.Node) -> tuple[int, ...]:
    return node.meta["shape"]


def _over_positions(dim: Any) -> bool:
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    return all(isinstance(one, int) and one >= 2 for one in dims)


def _argument(node: fx.Node, position: int, name: str, default: Any) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)
