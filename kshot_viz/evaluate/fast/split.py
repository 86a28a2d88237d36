"""The frozen part and the trained part of a network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from kshot_viz.evaluate.fast.export_graph import export_graph
from kshot_viz.evaluate.fast.graph import Graph, run_node
from kshot_viz.evaluate.fast.head_graph import head_graph
from kshot_viz.evaluate.fast.trace import trace

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class TrainedPart:
    """The nodes that change while candidates train, in order, and what they read of the rest.

    Attributes
    ----------
    nodes : tuple of Node
        All nodes that depend on a trained parameter.
    cut : tuple of Node
        Nodes of the frozen part whose values the trained part reads.
    """

    graph: Graph
    nodes: tuple[fx.Node, ...]
    cut: tuple[fx.Node, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing with weights comes before the trained part."""
        inside = set(self.nodes)
        return not any(
            self.graph.parameters(node) for node in self.graph.calls() if node not in inside
        )


def split(graph: Graph, trained: Collection[int]) -> TrainedPart:
    """Return the trained part of a network, given the ids of the trained parameters."""
    part: dict[fx.Node, None] = {}
    for node in graph.calls():
        trains = any(id(one) in trained for one in graph.parameters(node))
        if trains or any(one in part for one in node.all_input_nodes):
            part[node] = None
    read = {one: None for node in part for one in node.all_input_nodes if one not in part}
    return TrainedPart(graph, tuple(part), tuple(read))


class UntracedError(Exception):
    """The network has no graph that computes what it does."""


class TracedNetwork:
    """The tuned copy that all candidates start from; its own parameters never change.

    Parameters
    ----------
    backbone : Backbone
        The copy, with its new head.
    example : Tensor, shape (N, ...)
        Prepared images.
    origin : Backbone, optional
        What it is a copy of.

    Attributes
    ----------
    backbone : Backbone
    graph : Graph or None
        Of the whole network by ``torch.fx``, else of its body and its head; None where neither
        computes what the network does.
    """

    def __init__(self, backbone: Backbone, example: Tensor, origin: Backbone | None = None) -> None:
        self.backbone, self._origin = backbone, origin
        for parameter in backbone.module.parameters():
            parameter.requires_grad_(False)
        self._example = example
        self.graph: Graph | None = trace(backbone.module, example) or head_graph(
            backbone.module, backbone.head_name, example
        )
        self._parts: dict[frozenset[int], TrainedPart] = {}

    @cached_property
    def exported(self) -> Graph | None:
        """The graph by ``torch.export``, made when it is first needed, since it takes seconds."""
        return export_graph(self.backbone.module, self._example, self._origin)

    def graph_for(self, trained: Collection[int]) -> Graph | None:
        """Return the graph that is split where the parameters of these ids train.

        It depends on them alone, so that a candidate has the same graph whatever stands beside it.
        """
        usable = self.graph is not None and (
            not self.graph.opaque or self._head_ids() >= frozenset(trained)
        )
        return self.graph if usable else self.exported

    def trained_part(self, trained: Collection[int]) -> TrainedPart:
        """Return the part that depends on the parameters of these ids.

        Raises
        ------
        UntracedError
            If the network has no graph.
        """
        key = frozenset(trained)
        if key not in self._parts:
            graph = self.graph_for(key) or self.graph
            if graph is None:
                raise UntracedError
            self._parts[key] = split(graph, key)
        return self._parts[key]

    def reach(self, part: TrainedPart) -> str:
        """Return which part trains: ``"head"``, ``"tail"`` or ``"whole"``."""
        if part.whole:
            return "whole"
        read = {id(one) for node in part.nodes for one in part.graph.parameters(node)}
        return "head" if read <= self._head_ids() else "tail"

    def _head_ids(self) -> frozenset[int]:
        named = dict(self.backbone.module.named_parameters())
        return frozenset(id(named[name]) for name in self.backbone.head_parameters())


@dataclass(eq=False)
class FrozenFeatures:
    """The frozen features of some images, and what was derived from them.

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
            # Training uses it too, even where it was first computed without gradients.
            with torch.inference_mode(False), torch.no_grad():
                self.derived[key] = make()
        return self.derived[key]


def compute_frozen_features(part: TrainedPart, images: Tensor) -> FrozenFeatures:
    """Run the frozen part once.

    Parameters
    ----------
    images : Tensor, shape (N, ...)
        Prepared images.
    """
    graph, inside, wanted = part.graph, set(part.nodes), set(part.cut)
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
    return FrozenFeatures({node: values[node] for node in part.cut}, len(images))
