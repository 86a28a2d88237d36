"""A network as a graph of calls, which can be split into a frozen and a trained part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn


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


def hooked(module: nn.Module) -> bool:
    """Return whether hooks run with the module, which a batched layer would skip."""
    around = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    replaced = {"forward", "_conv_forward"} & vars(module).keys()
    return bool(replaced) or any(getattr(module, name) for name in around)
