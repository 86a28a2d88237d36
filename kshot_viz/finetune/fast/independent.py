"""Calls that treat every image by itself, so that several candidates' images can be one batch."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from kshot_viz.finetune.fast.graph import Graph

_POOLS = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)
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


def by_image(graph: Graph, node: fx.Node) -> bool:
    """Say whether a call without parameters answers for each image on its own."""
    if by_channel(graph, node):
        return True
    if node.op == "call_module":
        return type(graph.target(node)) is nn.Flatten and graph.target(node).start_dim == 1
    if node.target in _BINARY:
        return True
    if node.target is torch.cat:
        return _argument(node, 1, "dim", 0) == 1
    if node.target in (torch.flatten, "flatten"):
        return _argument(node, 1, "start_dim", 0) == 1
    return False


def by_channel(graph: Graph, node: fx.Node) -> bool:
    """Say whether a call answers for each image and channel on its own, with one input."""
    if len(node.all_input_nodes) != 1:
        return False
    if node.op == "call_module":
        module = graph.target(node)
        indices = getattr(module, "return_indices", False)
        return isinstance(module, (*_POOLS, *_ENTRIES)) and not indices
    if node.target in (torch.mean, "mean"):
        return _over_positions(_argument(node, 1, "dim", None))
    return node.target in _ENTRY_FUNCTIONS | _POOL_FUNCTIONS or node.target == "relu"


def _over_positions(dim: Any) -> bool:
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    return all(isinstance(one, int) and one >= 2 for one in dims)


def _argument(node: fx.Node, place: int, name: str, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)
