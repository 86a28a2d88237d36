"""Whether a graph computes what its network computes, with the same gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from kshot_viz.evaluate.fast.graph import Graph, run_node
from kshot_viz.models.head import Head
from kshot_viz.models.modes import evaluating

Wrap = Callable[[nn.Module], nn.Module]


class Whole(nn.Module):
    """Calls the network as a module, so that hooks on the network itself are traced too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.whole = network

    def forward(self, images: Tensor) -> Any:
        """Run the network."""
        return self.whole(images)


def accepted_graph(
    nodes: tuple[fx.Node, ...], network: nn.Module, example: Tensor, wrap: Wrap = Whole
) -> Graph | None:
    """Return the graph of these nodes if it does what the network does, else None.

    Convolutions run channels last where the graph agrees in that layout.

    Parameters
    ----------
    nodes : tuple of Node
        Their names are those of the modules of ``wrap(network)``.
    network : nn.Module
        The graph calls its own modules, which no longer work in place.
    example : Tensor, shape (N, ...)
        Prepared images.
    wrap : function
        Puts the network, or a copy of it, into the module that the nodes call.
    """
    layouts = (True, False) if example.ndim == 4 else (False,)
    fitting = (last for last in layouts if _accepted(nodes, network, example, wrap, last))
    last = next(fitting, None)
    return None if last is None else Graph(nodes, _settled(wrap(network)), last)


def run(graph: Graph, example: Tensor) -> Any:
    """Compute the output, and note the shape of every value."""
    values: dict[fx.Node, Any] = {graph.image: example}
    graph.image.meta["shape"] = tuple(example.shape)
    for node in graph.calls():
        values[node] = run_node(graph, node, values)
        node.meta["shape"] = tuple(getattr(values[node], "shape", ()))
    return values[graph.output]


def close(found: Tensor, expected: Tensor) -> bool:
    """Return whether two tensors differ by rounding alone.

    In units of the largest entry: an entry near zero is rounded as much as those that it is a sum
    of, and a network may return numbers in the hundreds.
    """
    size = expected.abs().max().item()
    if not size:
        return not found.any()
    return bool(torch.allclose(found / size, expected / size, rtol=1e-4, atol=1e-5))


def _accepted(
    nodes: tuple[fx.Node, ...], network: nn.Module, example: Tensor, wrap: Wrap, last: bool
) -> bool:
    try:
        return _agrees(nodes, network, example, wrap, last)
    except Exception:  # A view of values in another layout than expected, for one.
        return False


def _agrees(
    nodes: tuple[fx.Node, ...], network: nn.Module, example: Tensor, wrap: Wrap, last: bool
) -> bool:
    """Compare on a copy whose head is not zero, since a zero head would hide every difference."""
    lively = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(0)
    for head in (m for m in lively.modules() if isinstance(m, Head)):
        drawn = torch.randn(head.linear.weight.shape, generator=generator)
        head.linear.weight.data.copy_(drawn)
    lively.requires_grad_()
    with torch.enable_grad(), evaluating(lively):
        expected = lively(example.clone())
        single = torch.cat([lively(one.clone()) for one in example.split(1)])
        if not close(single.detach(), expected.detach()):
            return False
        other = wrap(copy.deepcopy(lively))
        if last:
            other.to(memory_format=torch.channels_last)
        graph = Graph(nodes, _settled(other), last)
        images = graph.laid_out(example)
        # One image first, so that the shapes noted are those of the whole example.
        alone, found = run(graph, images[:1]), run(graph, images)
        pairs = ((alone, expected[:1]), (found, expected))
        if not all(isinstance(one, Tensor) and close(one.detach(), e.detach()) for one, e in pairs):
            return False
        weights = torch.randn(expected.shape, generator=generator).to(expected)
        # Of a scalar: where `grad_outputs` is given, torch imports sympy, for a second or two.
        first, second = (
            torch.autograd.grad((weights * one).sum(), list(module.parameters()), allow_unused=True)
            for one, module in ((found, other), (expected, lively))
        )
    return all(map(_same_gradient, first, second))


def _same_gradient(found: Tensor | None, expected: Tensor | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return close(found, expected)


def _settled(module: nn.Module) -> nn.Module:
    for child in module.modules():
        if getattr(child, "inplace", False) is True:
            child.inplace = False  # type: ignore[assignment]
    return module
