"""What of a network stays as it is, computed once for all candidates and steps."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

from kshot_viz.evaluate.fast.graph import Graph, run_node


@dataclass(frozen=True, eq=False)
class Tail:
    """The nodes that change while candidates train, in order, and what they read of the rest.

    Attributes
    ----------
    nodes : tuple of Node
        Everything that depends on a parameter that moves.
    cut : tuple of Node
        Values of the frozen part that the tail reads.
    """

    graph: Graph
    nodes: tuple[fx.Node, ...]
    cut: tuple[fx.Node, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing with weights comes before the tail."""
        inside = set(self.nodes)
        return not any(
            self.graph.parameters(node) for node in self.graph.calls() if node not in inside
        )


def split(graph: Graph, moving: Collection[int]) -> Tail:
    """Tell what moves from what stays, given the ids of the parameters that move."""
    tail: dict[fx.Node, None] = {}
    for node in graph.calls():
        moves = any(id(one) in moving for one in graph.parameters(node))
        if moves or any(one in tail for one in node.all_input_nodes):
            tail[node] = None
    read = {one: None for node in tail for one in node.all_input_nodes if one not in tail}
    return Tail(graph, tuple(tail), tuple(read))


@dataclass(eq=False)
class Frozen:
    """The frozen part's answer to some images, and what was derived from it.

    ``images`` stay the same for a whole episode, so that all candidates share what is derived.
    """

    values: dict[fx.Node, Any]
    n: int
    derived: dict[Any, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the values themselves."""
        return sum(one.nbytes for one in self.values.values() if isinstance(one, Tensor))

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what ``make`` gives, computed at the first call."""
        if key not in self.derived:
            # Training uses it too, even where it was first asked for without gradients.
            with torch.inference_mode(False), torch.no_grad():
                self.derived[key] = make()
        return self.derived[key]


def freeze(tail: Tail, images: Tensor) -> Frozen:
    """Run the frozen part once.

    Parameters
    ----------
    images : Tensor, shape (N, ...)
        Prepared images.
    """
    graph, inside, wanted = tail.graph, set(tail.nodes), set(tail.cut)
    values: dict[fx.Node, Any] = {graph.image: images}
    left = {node: len(node.users) for node in graph.nodes}
    with torch.no_grad():
        for node in graph.calls():
            if node in inside:
                continue
            values[node] = run_node(graph, node, values)
            for one in node.all_input_nodes:
                left[one] -= 1
                if not left[one] and one not in wanted:
                    values.pop(one, None)
    return Frozen({node: values[node] for node in tail.cut}, len(images))
