"""A network as a graph of calls, which can be split into a frozen and a trained part."""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from kshot_viz.models.head import Head
from kshot_viz.models.modes import evaluating

_WHOLE = "whole"
# Two traces at once would put back what the other one replaced.
_ONE_AT_A_TIME = threading.Lock()
_NOT_IN_PLACE: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


@dataclass(frozen=True, eq=False)
class Graph:
    """Calls in order of execution; ``meta["shape"]`` of a node is the shape of its value.

    ``channels_last`` is whether convolutions run in that memory layout, which is faster; a
    network that calls ``view`` on its values may not support it. ``opaque`` is whether the body is
    one call, of which no part can be computed for several candidates at once.
    """

    nodes: tuple[fx.Node, ...]
    module: nn.Module
    channels_last: bool = False
    opaque: bool = False

    def laid_out(self, images: Tensor) -> Tensor:
        """Return prepared images in the memory layout that the network is run in."""
        if not self.channels_last or images.ndim != 4:
            return images
        # Of one channel both layouts look alike, and `contiguous` would leave it as it is.
        return torch.empty_like(images, memory_format=torch.channels_last).copy_(images)

    @property
    def image(self) -> fx.Node:
        """The network's input."""
        return self.nodes[0]

    @property
    def output(self) -> fx.Node:
        """The node whose value the network returns."""
        return self.nodes[-1].args[0]  # type: ignore[return-value]

    def calls(self) -> Iterator[fx.Node]:
        """Yield every node that computes something."""
        return iter(self.nodes[1:-1])

    def target(self, node: fx.Node) -> Any:
        """Return the module a node calls, or the tensor it reads."""
        owner, _, leaf = str(node.target).rpartition(".")
        if node.op == "get_attr":
            return getattr(self.module.get_submodule(owner), leaf)
        return self.module.get_submodule(str(node.target))

    def parameters(self, node: fx.Node) -> list[nn.Parameter]:
        """Return the parameters a node reads."""
        if node.op == "call_module":
            return list(self.target(node).parameters())
        read = self.target(node) if node.op == "get_attr" else None
        return [read] if isinstance(read, nn.Parameter) else []


def trace(network: nn.Module, example: Tensor) -> Graph | None:
    """Return the graph of a network, or None where it cannot be traced.

    Control flow that depends on values cannot be traced. A trace is accepted only if for
    ``example``, a batch of prepared images, it returns what the network returns, and with the same
    gradients: a trace sees no ``torch.no_grad()``, and no custom backward pass. A
    network whose images influence each other is not accepted either, since images are computed in
    other batches than in the loop.

    Parameters
    ----------
    network : nn.Module
        A copy with its new head. The graph calls its own modules, which no longer work in place.
    example : Tensor, shape (N, ...)
    """
    whole = _Whole(network)
    try:
        with _ONE_AT_A_TIME:
            graph = _Tracer().trace(whole)
        _pool_first(graph, whole)
        if any(_acts_only(node, whole) for node in graph.nodes):
            return None
        nodes = tuple(map(_without_in_place, graph.nodes))
    except Exception:  # A forward pass may raise anything when it is given a proxy of a tensor.
        return None
    layouts = (True, False) if example.ndim == 4 else (False,)
    fitting = (last for last in layouts if _accepted(nodes, network, example, last))
    last = next(fitting, None)
    return None if last is None else Graph(nodes, _settled(whole), last)


def run_node(graph: Graph, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    """Compute one node from the values of the nodes it reads."""
    if node.op == "get_attr":
        return graph.target(node)
    args = fx.map_arg(node.args, values.__getitem__)
    kwargs = fx.map_arg(node.kwargs, values.__getitem__)
    if node.op == "call_module":
        return graph.target(node)(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


class _Whole(nn.Module):
    """Calls the network as a module, so that hooks on the network itself are traced too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.whole = network

    def forward(self, images: Tensor) -> Any:
        return self.whole(images)


class _Tracer(fx.Tracer):
    """Traces in the thread that made it; other threads call their modules as usual.

    While fx traces, it replaces the call of any module in every thread of the process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, Head) or super().is_leaf_module(module, name)


def _acts_only(node: fx.Node, module: nn.Module) -> bool:
    """Return whether a call works in place and its value is then read under an older name."""
    if node.users:
        return False
    if node.op == "call_module":
        return getattr(module.get_submodule(str(node.target)), "inplace", False) is True
    name = getattr(node.target, "__name__", str(node.target))
    written = name.endswith("_") or name == "setitem" or bool(node.kwargs.get("inplace"))
    return node.op in ("call_method", "call_function") and written


def _without_in_place(node: fx.Node) -> fx.Node:
    """Replace an in-place call, so that a value computed once can be read many times."""
    if node.op == "call_function":
        node.target = _NOT_IN_PLACE.get(node.target, node.target)
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    if node.op == "call_method" and str(node.target).endswith("_"):
        node.target = str(node.target).rstrip("_")
    return node


def _pool_first(graph: fx.Graph, module: nn.Module) -> None:
    """Pool before the ReLU instead of after it: the same values and gradients on fewer entries."""

    def calls(node: fx.Node, kind: type[nn.Module]) -> bool:
        called = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        return type(called) is kind and not hooked(called)

    for relu in list(graph.nodes):
        pool = next(iter(relu.users), None)
        if pool is None or len(relu.users) > 1 or not calls(relu, nn.ReLU):
            continue
        if calls(pool, nn.MaxPool2d) and not module.get_submodule(str(pool.target)).return_indices:
            pool.replace_all_uses_with(relu)
            pool.args, relu.args = relu.args, (pool,)
            pool.append(relu)


def _accepted(
    nodes: tuple[fx.Node, ...], network: nn.Module, example: Tensor, channels_last: bool
) -> bool:
    try:
        return _agrees(nodes, network, example, channels_last)
    except Exception:  # As above; a view of values in another layout than expected, for one.
        return False


def _agrees(
    nodes: tuple[fx.Node, ...], network: nn.Module, example: Tensor, channels_last: bool
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
        other = _Whole(copy.deepcopy(lively))
        if channels_last:
            other.to(memory_format=torch.channels_last)
        graph = Graph(nodes, _settled(other), channels_last)
        found = run(graph, graph.laid_out(example))
        if not isinstance(found, Tensor) or not close(found.detach(), expected.detach()):
            return False
        weights = torch.randn(expected.shape, generator=generator).to(expected)
        first, second = (
            torch.autograd.grad(one, list(module.parameters()), weights, allow_unused=True)
            for one, module in ((found, other), (expected, lively))
        )
    return all(map(_same_gradient, first, second))


def run(graph: Graph, example: Tensor) -> Any:
    """Compute the output, and note the shape of every value."""
    values: dict[fx.Node, Any] = {graph.image: example}
    graph.image.meta["shape"] = tuple(example.shape)
    for node in graph.calls():
        values[node] = run_node(graph, node, values)
        node.meta["shape"] = tuple(getattr(values[node], "shape", ()))
    return values[graph.output]


def close(found: Tensor, expected: Tensor) -> bool:
    """Return whether two tensors differ by rounding alone."""
    return bool(torch.allclose(found, expected, rtol=1e-4, atol=1e-5))


def _same_gradient(found: Tensor | None, expected: Tensor | None) -> bool:
    if found is None or expected is None:
        return found is expected
    size = expected.abs().max().item()
    return close(found / size, expected / size) if size else not found.any()


def _settled(module: nn.Module) -> nn.Module:
    for child in module.modules():
        if getattr(child, "inplace", False) is True:
            child.inplace = False  # type: ignore[assignment]
    return module


def hooked(module: nn.Module) -> bool:
    """Return whether hooks run with the module, which a batched layer would skip."""
    around = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    replaced = {"forward", "_conv_forward"} & vars(module).keys()
    return bool(replaced) or any(getattr(module, name) for name in around)
