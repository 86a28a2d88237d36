"""The graph of a network by ``torch.fx``, which calls the modules of the network."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any

from torch import Tensor, fx, nn

from kshot_viz.evaluate.fast.agreement import Whole, accepted_graph
from kshot_viz.evaluate.fast.graph import Graph, hooked
from kshot_viz.models.head import Head

# Two traces at once would put back what the other one replaced.
ONE_AT_A_TIME = threading.Lock()
_NOT_IN_PLACE: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


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
    whole = Whole(network)
    try:
        with ONE_AT_A_TIME:
            graph = _Tracer().trace(whole)
        _pool_first(graph, whole)
        if any(_acts_only(node, whole) for node in graph.nodes):
            return None
        nodes = tuple(map(_without_in_place, graph.nodes))
    except Exception:  # A forward pass may raise anything when it is given a proxy of a tensor.
        return None
    return accepted_graph(nodes, network, example)


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
