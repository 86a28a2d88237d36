"""A network with its new head, ready for candidates: its graph, and the tails cut from it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from torch import Tensor

from kshot_viz.evaluate.fast.graph import Graph, trace
from kshot_viz.evaluate.fast.split import Tail, split

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


class Network:
    """The tuned copy that all candidates start from; its own parameters never change.

    Attributes
    ----------
    backbone : Backbone
    graph : Graph or None
        None where the network cannot be followed.
    """

    def __init__(self, backbone: Backbone, example: Tensor) -> None:
        self.backbone = backbone
        for parameter in backbone.module.parameters():
            parameter.requires_grad_(False)
        self.graph: Graph | None = trace(backbone.module, example)
        self._tails: dict[frozenset[int], Tail] = {}

    def tail(self, moving: Collection[int]) -> Tail:
        """Return the part that depends on the parameters of these ids."""
        assert self.graph is not None
        key = frozenset(moving)
        if key not in self._tails:
            self._tails[key] = split(self.graph, key)
        return self._tails[key]

    def reach(self, tail: Tail) -> str:
        """Name how much of the network a tail is: ``"head"``, ``"tail"`` or ``"whole"``."""
        if tail.whole:
            return "whole"
        head = self.backbone.head_parameters()
        named = dict(self.backbone.module.named_parameters())
        inside = {id(named[name]) for name in head}
        read = {id(one) for node in tail.nodes for one in tail.graph.parameters(node)}
        return "head" if read <= inside else "tail"
