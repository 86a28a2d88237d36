"""The tail of a network with a rule for every layer that moves, for a chunk of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from kshot_viz.finetune.fast.constant import ConstantRule, takes_patches
from kshot_viz.finetune.fast.graph import Graph, hooked, run_node
from kshot_viz.finetune.fast.independent import by_channel, by_image
from kshot_viz.finetune.fast.lane import Lane
from kshot_viz.finetune.fast.lanes import Lanes
from kshot_viz.finetune.fast.layout import Size, Value, apart, side_by_side
from kshot_viz.finetune.fast.rules import (
    AnyRule,
    ConvRule,
    GroupConvRule,
    HeadRule,
    LinearRule,
    Moved,
    NormRule,
)
from kshot_viz.finetune.fast.shifts import Block, Shifts
from kshot_viz.finetune.fast.trunk import Frozen, Tail
from kshot_viz.finetune.fast.two_layers import TwoLayers
from kshot_viz.models.head import Head

CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Below this fan-in, or with more rows than half the neurons, summing output gradients by group
# costs more than the smaller weight gradient saves.
GROUP_FAN_IN = 64


class Program:
    """Computes the logits of every candidate from their shifts.

    Attributes
    ----------
    blocks : list of Block
        What trains, for all candidates it was made for.
    """

    def __init__(self, tail: Tail, lanes: Sequence[Lane], support: Frozen) -> None:
        self._tail, self._lanes, self._support = tail, lanes, support
        self._moving = {key for lane in lanes for key in lane.moving}
        self._tied: dict[tuple[int, ...], Lanes | None] = {}
        self.blocks: list[Block] = []
        self._rules: dict[fx.Node, Any] = {}
        self._folded: set[fx.Node] = set()
        for node in tail.nodes:
            if node not in self._folded:
                self._rules[node] = self._rule(node)
        self._fresh = {node for node in tail.nodes if self._only_reader(node)}
        for node, rule in self._rules.items():
            if isinstance(rule, HeadRule) and self._after_rows(node):
                self._rules[node] = replace(rule, relu=True)
                self._folded.add(node.all_input_nodes[0])

    def logits(self, shifts: Shifts, frozen: Frozen) -> Tensor:
        """Return the logits for the images of ``frozen``, shape (C, classes, N)."""
        graph, size = self._tail.graph, Size(shifts.lanes, frozen.n)
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

    def _only_reader(self, node: fx.Node) -> bool:
        """Say whether a ReLU alone reads what a layer just made, so that it may work in place."""
        graph = self._tail.graph
        layer = graph.target(node) if node.op == "call_module" else None
        if type(layer) is not nn.ReLU or hooked(layer):
            return False
        made = node.all_input_nodes[0]
        makes = made in self._folded or not isinstance(self._rules.get(made), (Moved, type(None)))
        pools = made.op == "call_module" and type(graph.target(made)) is nn.MaxPool2d
        return len(made.users) == 1 and made in self._tail.nodes and (makes or pools)

    def _after_rows(self, head: fx.Node) -> bool:
        """Say whether a head alone reads a ReLU of flat rows, which it may then do itself."""
        relu = head.all_input_nodes[0]
        if relu not in self._fresh or len(relu.users) > 1 or len(relu.meta["shape"]) != 2:
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
        block = self.blocks[weight.place]
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
        for place, block in enumerate(self.blocks):
            if block.parameter == id(parameter):
                return Moved(place)
        width = parameter.numel() // parameter.shape[:1].numel()
        block = self._block(parameter, width, whole=True)
        return Moved(self._add(block))

    def _add(self, block: Block) -> int:
        self.blocks.append(block)
        return len(self.blocks) - 1

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


def batches(tail: Tail) -> bool:
    """Say whether the whole tail can run for several candidates at once."""
    graph = tail.graph
    return all(by_image(graph, node) or takes_lanes(graph, node) for node in tail.nodes)


def takes_lanes(graph: Graph, node: fx.Node) -> bool:
    """Say whether there is a rule that runs this call for several candidates at once."""
    if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return False
    layer = graph.target(node)
    if hooked(layer):
        return False
    if type(layer) in NORMS:
        return layer.running_mean is not None and not layer.training
    if type(layer) in CONV:
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if type(layer) is Head:
        return layer.axis == 1
    # A linear layer on tokens counts features last; candidates' channels lie second.
    return type(layer) is nn.Linear and len(node.meta["shape"]) == 2


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
