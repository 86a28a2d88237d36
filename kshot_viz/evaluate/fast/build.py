"""Gives every call of a tail its rule and every parameter that moves its block.

Which rule a call gets depends on shapes and settings alone, never on values or timing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from kshot_viz.evaluate.fast.batched_ties import Lanes
from kshot_viz.evaluate.fast.candidate_plan import Lane
from kshot_viz.evaluate.fast.constant_input import ConstantRule, takes_patches
from kshot_viz.evaluate.fast.graph import hooked
from kshot_viz.evaluate.fast.layers import (
    AnyRule,
    ConvRule,
    GroupConvRule,
    HeadRule,
    LinearRule,
    Moved,
    NormRule,
)
from kshot_viz.evaluate.fast.parameters import Block
from kshot_viz.evaluate.fast.split import Frozen, Tail
from kshot_viz.evaluate.fast.supported import CONV, NORMS, takes_lanes
from kshot_viz.models.head import Head

# Below this fan-in, or with more groups than half the neurons, summing output gradients by group
# costs more than the smaller weight gradient saves.
GROUP_FAN_IN = 64


@dataclass(frozen=True, eq=False)
class Parts:
    """A tail made ready for some candidates.

    Attributes
    ----------
    blocks : list of Block
        What trains.
    rules : mapping
        The rule of every call; None for one that runs as it is.
    folded : set of Node
        Calls that the rule of a neighbour does along.
    fresh : set of Node
        ReLUs that may work in place.
    """

    blocks: list[Block]
    rules: Mapping[fx.Node, Any]
    folded: set[fx.Node]
    fresh: set[fx.Node]


def build(tail: Tail, lanes: Sequence[Lane], support: Frozen) -> Parts:
    """Make a tail ready for the candidates of ``lanes`` on one support."""
    return _Builder(tail, lanes, support).parts()


class _Builder:
    def __init__(self, tail: Tail, lanes: Sequence[Lane], support: Frozen) -> None:
        self._tail, self._lanes, self._support = tail, lanes, support
        self._moving = {key for lane in lanes for key in lane.moving}
        self._tied: dict[tuple[int, ...], Lanes | None] = {}
        self._blocks: list[Block] = []
        self._rules: dict[fx.Node, Any] = {}
        self._folded: set[fx.Node] = set()

    def parts(self) -> Parts:
        """Go through the calls in order."""
        for node in self._tail.nodes:
            if node not in self._folded:
                self._rules[node] = self._rule(node)
        fresh = {node for node in self._tail.nodes if self._only_reader(node)}
        for node, rule in self._rules.items():
            if isinstance(rule, HeadRule) and self._after_rows(node, fresh):
                self._rules[node] = replace(rule, relu=True)
                self._folded.add(node.all_input_nodes[0])
        return Parts(self._blocks, self._rules, self._folded, fresh)

    def _only_reader(self, node: fx.Node) -> bool:
        """Say whether a ReLU alone reads what a layer just made, so that it may work in place."""
        graph = self._tail.graph
        layer = graph.target(node) if node.op == "call_module" else None
        if type(layer) is not nn.ReLU or hooked(layer):
            return False
        made = node.all_input_nodes[0]
        makes = made in self._folded or not isinstance(self._rules.get(made), (Moved, type(None)))
        # A 1 x 1 convolution may hand on a view, and writing into that costs a copy.
        rule = self._rules.get(made)
        makes = makes and not (isinstance(rule, ConvRule) and set(rule.conv.kernel_size) == {1})
        pools = made.op == "call_module" and type(graph.target(made)) is nn.MaxPool2d
        return len(made.users) == 1 and made in self._tail.nodes and (makes or pools)

    def _after_rows(self, head: fx.Node, fresh: set[fx.Node]) -> bool:
        """Say whether a head alone reads a ReLU of flat rows, which it may then do itself."""
        relu = head.all_input_nodes[0]
        if relu not in fresh or len(relu.users) > 1 or len(relu.meta["shape"]) != 2:
            return False
        return isinstance(self._rules.get(relu.all_input_nodes[0]), ConstantRule)

    def _rule(self, node: fx.Node) -> Any:
        graph = self._tail.graph
        if takes_lanes(graph, node):
            layer, given = graph.target(node), node.all_input_nodes[0]
            constant = given in self._support.values and self._constant(layer, node, given)
            return constant or self._varying(layer, node)
        read = graph.parameters(node)
        if not any(id(one) in self._moving for one in read):
            return None
        return self._moved(read[0]) if node.op == "get_attr" else self._any(node)

    def _constant(self, layer: nn.Module, node: fx.Node, given: fx.Node) -> ConstantRule | None:
        inputs = self._support.values[given]
        if not self._alone(layer) or not takes_patches(layer, inputs):
            return None
        weight = _linear(layer).weight
        positions = _positions(layer, inputs)
        width = weight[0].numel()
        if positions >= width:
            return None
        gram = all(lane.config.optimizer == "sgd" for lane in self._lanes)
        width += _linear(layer).bias is not None
        block = self._block(weight, positions if gram else width)
        return ConstantRule(layer, node, given, self._add(block), gram, self._support)

    def _alone(self, layer: nn.Module) -> bool:
        """Say whether weight and bias move as one, and no other call reads them."""
        own = {id(one) for one in layer.parameters()}
        graph = self._tail.graph
        readers = [node for node in graph.calls() if own & {id(p) for p in graph.parameters(node)}]
        rates = all(len({lane.rates[key] for key in own}) == 1 for lane in self._lanes)
        return len(readers) == 1 and rates and own <= self._moving

    def _varying(self, layer: nn.Module, node: fx.Node) -> Any:
        if isinstance(layer, NORMS):
            return NormRule(layer, *self._pair(layer))
        if isinstance(layer, Head):
            return HeadRule(layer, *self._pair(layer.linear))
        weight, bias = self._pair(layer)
        if isinstance(layer, nn.Linear):
            return LinearRule(weight, bias)
        assert isinstance(layer, CONV)
        norm = self._norm_after(node)
        if norm is None and self._by_group(layer, weight):
            return GroupConvRule(layer, weight, bias)
        return ConvRule(layer, weight, bias, norm)

    def _by_group(self, conv: Any, weight: Moved) -> bool:
        if weight.place is None or conv.groups > 1:
            return False
        block = self._blocks[weight.place]
        if block.lanes is None or block.start[0].numel() < GROUP_FAN_IN:
            return False
        return block.lanes.groups * 2 <= block.lanes.neurons

    def _norm_after(self, node: fx.Node) -> NormRule | None:
        """Fold a batch norm that alone reads a convolution into its weights."""
        after = next(iter(node.users), None)
        if after is None or len(node.users) > 1 or after.op != "call_module":
            return None
        norm = self._tail.graph.target(after)
        if not isinstance(norm, NORMS) or not takes_lanes(self._tail.graph, after):
            return None
        self._folded.add(after)
        return NormRule(norm, *self._pair(norm))

    def _any(self, node: fx.Node) -> AnyRule:
        layer = self._tail.graph.target(node)
        named = {name: self._moved(one) for name, one in layer.named_parameters()}
        return AnyRule(layer, named, node)

    def _pair(self, layer: nn.Module) -> tuple[Moved, Moved]:
        weight, bias = layer._parameters.get("weight"), layer._parameters.get("bias")
        return self._moved(weight), self._moved(bias)

    def _moved(self, parameter: nn.Parameter | None) -> Moved:
        if parameter is None or id(parameter) not in self._moving:
            fixed = None if parameter is None else parameter.detach()
            return Moved(fixed=fixed)
        for place, block in enumerate(self._blocks):
            if block.parameter == id(parameter):
                return Moved(place)
        width = parameter.numel() // parameter.shape[:1].numel()
        block = self._block(parameter, width, whole=True)
        return Moved(self._add(block))

    def _add(self, block: Block) -> int:
        self._blocks.append(block)
        return len(self._blocks) - 1

    def _block(self, parameter: Tensor, width: int, *, whole: bool = False) -> Block:
        key, tied = id(parameter), self._ties(parameter)
        rates = parameter.new_tensor([lane.rates[key] for lane in self._lanes])
        return Block(key, parameter.detach(), tied, rates, width, whole and tied is None)

    def _ties(self, parameter: Tensor) -> Lanes | None:
        labels = [lane.labels.get(id(parameter)) for lane in self._lanes]
        which = tuple(map(id, labels))
        if which not in self._tied:
            self._tied[which] = _lanes(labels, parameter, self._lanes)
        return self._tied[which]


def _linear(layer: nn.Module) -> Any:
    return layer.linear if isinstance(layer, Head) else layer


def _positions(layer: nn.Module, inputs: Tensor) -> int:
    if not isinstance(layer, nn.Conv2d):
        return len(inputs)
    out = layer(inputs[:1])
    return len(inputs) * out.shape[2] * out.shape[3]


def _lanes(labels: Sequence[Any], parameter: Tensor, lanes: Sequence[Lane]) -> Lanes | None:
    if all(one is None for one in labels):
        return None
    each = np.arange(len(parameter))
    table = np.stack([each if one is None else np.asarray(one) for one in labels])
    mean = [lane.config.reduce == "mean" for lane in lanes]
    device = parameter.device
    return Lanes(torch.from_numpy(table).to(device), torch.tensor(mean, device=device))
