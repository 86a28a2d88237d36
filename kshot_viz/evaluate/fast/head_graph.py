"""A network that cannot be traced, as a graph of two calls: its whole body, and its head.

Candidates that train the head alone so have frozen features as those of a traced network do.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn

from kshot_viz.evaluate.fast.agreement import close, run
from kshot_viz.evaluate.fast.graph import Graph
from kshot_viz.models.head import Head
from kshot_viz.models.modes import evaluating

_BODY, _HEAD = "body", "head"


def head_graph(network: nn.Module, head: str, example: Tensor) -> Graph | None:
    """Return the graph of body and head, or None where the network does more after its head.

    Like :func:`kshot_viz.evaluate.fast.graph.trace` it also refuses a network whose images
    influence each other.

    Parameters
    ----------
    network : nn.Module
        A copy with its new head. The graph reads its own parameters.
    head : str
        Name of the head.
    example : Tensor, shape (N, ...)
    """
    if not isinstance(network.get_submodule(head), Head):
        return None
    nodes = _nodes()
    # A forward pass may raise anything where it is left before its end.
    try:
        agrees = _agrees(nodes, network, head, example)
    except Exception:
        return None
    return Graph(nodes, _Parts(network, head), opaque=True) if agrees else None


def _nodes() -> tuple[fx.Node, ...]:
    graph = fx.Graph()
    images = graph.placeholder("images")
    features = graph.call_module(_BODY, (images,))
    graph.output(graph.call_module(_HEAD, (features,)))
    return tuple(graph.nodes)


def _agrees(nodes: tuple[fx.Node, ...], network: nn.Module, head: str, example: Tensor) -> bool:
    lively = copy.deepcopy(network)
    weight = lively.get_parameter(f"{head}.linear.weight")
    drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), evaluating(lively):
        weight.copy_(drawn)
        expected = lively(example.clone())
        single = torch.cat([lively(one.clone()) for one in example.split(1)])
        found = run(Graph(nodes, _Parts(lively, head), opaque=True), example.clone())
    return close(single, expected) and close(found, expected)


class _Parts(nn.Module):
    def __init__(self, network: nn.Module, head: str) -> None:
        super().__init__()
        self.body = _Body(network, head)
        self.head = network.get_submodule(head)


class _Body(nn.Module):
    """The network up to its head; its parameters are those of the network itself."""

    def __init__(self, network: nn.Module, head: str) -> None:
        super().__init__()
        shared = {id(one): one for one in [*network.parameters(), *network.buffers()]}
        self.network = copy.deepcopy(network, shared)
        parent, _, leaf = head.rpartition(".")
        setattr(self.network.get_submodule(parent), leaf, _End())

    def forward(self, images: Tensor) -> Tensor:
        try:
            self.network(images)
        except _Reached as end:
            return end.features
        raise RuntimeError("the network did not call its head")


class _End(nn.Module):
    """Stands where the head was, and ends the pass there."""

    def forward(self, features: Tensor) -> Tensor:
        raise _Reached(features)


class _Reached(Exception):  # noqa: N818 - it is no error
    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features
