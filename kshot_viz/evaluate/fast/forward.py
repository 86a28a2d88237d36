"""The tail of a network, run for a chunk of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from kshot_viz.evaluate.fast.build import build
from kshot_viz.evaluate.fast.candidate_plan import Lane
from kshot_viz.evaluate.fast.constant_input import ConstantRule
from kshot_viz.evaluate.fast.graph import Graph, run_node
from kshot_viz.evaluate.fast.layers import AnyRule, HeadRule, Moved
from kshot_viz.evaluate.fast.layout import Size, Value, apart, side_by_side
from kshot_viz.evaluate.fast.parameters import Block, Shifts
from kshot_viz.evaluate.fast.per_image import by_channel
from kshot_viz.evaluate.fast.split import Frozen, Tail
from kshot_viz.evaluate.fast.two_layers import TwoLayers


class Program:
    """Computes the logits of every candidate from their shifts.

    Attributes
    ----------
    blocks : list of Block
        What trains, for all candidates it was made for.
    """

    def __init__(self, tail: Tail, lanes: Sequence[Lane], support: Frozen) -> None:
        self._tail, self._support = tail, support
        parts = build(tail, lanes, support)
        self.blocks: list[Block] = parts.blocks
        self._rules, self._folded, self._fresh = parts.rules, parts.folded, parts.fresh

    def logits(self, shifts: Shifts, frozen: Frozen) -> Tensor:
        """Return the logits for the images of ``frozen``, shape (C, classes, N)."""
        graph = self._tail.graph
        size = Size(shifts.lanes, frozen.n, graph.channels_last)
        values: dict[fx.Node, Any] = dict(frozen.values)
        for node in self._tail.nodes:
            if node in self._folded:
                values[node] = values[node.all_input_nodes[0]]
            else:
                values[node] = self._run(node, values, shifts, frozen, size)
        found = values[graph.output]
        if found.rows:
            return found.tensor.view(size.lanes, -1, size.images)
        return apart(found.tensor, size).permute(1, 2, 0)

    def two_layers(self, targets: Tensor) -> TwoLayers | None:
        """Return the tail written out, where it is a grouped layer, a ReLU and the head."""
        made = [(node, rule) for node, rule in self._rules.items() if node not in self._folded]
        if [type(rule) for _, rule in made] != [ConstantRule, HeadRule] or not made[1][1].relu:
            return None
        first, head = made[0][1], made[1][1]
        tied = self.blocks[first.place].lanes is not None
        ends = made[1][0] is self._tail.graph.output and not head.head.keep_ndim
        trains = None not in (head.weight.place, head.bias.place)
        if not (first.gram and tied and ends and trains):
            return None
        products, start = first.known(self._support)
        return TwoLayers(first.place, head.weight.place, head.bias.place, products, start, targets)

    def _run(
        self,
        node: fx.Node,
        values: Mapping[fx.Node, Any],
        shifts: Shifts,
        frozen: Frozen,
        size: Size,
    ) -> Any:
        rule = self._rules[node]
        if isinstance(rule, ConstantRule):
            return rule.on(frozen, shifts, size)
        if isinstance(rule, AnyRule):
            args = fx.map_arg(node.args, lambda one: side_by_side(values[one], size))
            kwargs = fx.map_arg(node.kwargs, lambda one: side_by_side(values[one], size))
            return rule.call(args, kwargs, shifts)
        if isinstance(rule, Moved):
            return Value(rule.tensor(shifts, size))
        if rule is not None:
            return rule(values[node.all_input_nodes[0]], shifts, size)
        if node in self._fresh:
            given = values[node.all_input_nodes[0]]
            return Value(torch.relu_(given.tensor), given.rows)
        return _plain(self._tail.graph, node, values, size)


def _plain(graph: Graph, node: fx.Node, values: Mapping[fx.Node, Any], size: Size) -> Value:
    inputs = node.all_input_nodes
    first = values[inputs[0]]
    if isinstance(first, Value) and first.rows and by_channel(graph, node):
        return Value(run_node(graph, node, {inputs[0]: first.tensor}), rows=True)
    given = {one: _tensor(values[one], size) for one in inputs}
    if size.lanes > 1 and node.target is torch.cat:
        listed: Any = node.args[0]
        parts = [apart(given[one], size) for one in listed]
        return Value(torch.cat(parts, dim=2).flatten(1, 2))
    return Value(run_node(graph, node, given))


def _tensor(value: Any, size: Size) -> Any:
    return side_by_side(value, size) if isinstance(value, (Tensor, Value)) else value
