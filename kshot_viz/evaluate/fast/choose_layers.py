"""Choose a batched layer for each node and allocate the trained parameters.

The choice depends on shapes and settings alone, never on values or timing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from kshot_viz.evaluate.fast.batched_ties import BatchedTies
from kshot_viz.evaluate.fast.constant_input import ConstantInputLayer, takes_patches
from kshot_viz.evaluate.fast.graph import hooked
from kshot_viz.evaluate.fast.layers import (
    BatchedConv,
    BatchedHead,
    BatchedLinear,
    BatchedNorm,
    GroupGradientConv,
    LayerParameter,
    SingleCandidateLayer,
)
from kshot_viz.evaluate.fast.parameters import CandidatePlan, ParameterBlock
from kshot_viz.evaluate.fast.split import FrozenFeatures, TrainedPart
from kshot_viz.evaluate.fast.supported import CONV, NORMS, has_batched_layer
from kshot_viz.models.head import Head

# Below this fan-in, or with more groups than half the neurons, summing output gradients by group
# costs more than the smaller weight gradient saves.
GROUP_FAN_IN = 64


@dataclass(frozen=True, eq=False)
class ChosenLayers:
    """The batched layers and trained parameters of some candidates.

    Attributes
    ----------
    blocks : list of ParameterBlock
        The trained parameters.
    layers : mapping
        The batched layer of every node; None for one that runs as it is.
    folded : set of Node
        Nodes that the batched layer of a neighbour computes too.
    in_place : set of Node
        ReLUs that may work in place.
    """

    blocks: list[ParameterBlock]
    layers: Mapping[fx.Node, Any]
    folded: set[fx.Node]
    in_place: set[fx.Node]


def choose_layers(
    part: TrainedPart, plans: Sequence[CandidatePlan], support: FrozenFeatures
) -> ChosenLayers:
    """Choose the batched layers of a trained part for some candidates on one support."""
    return _Chooser(part, plans, support).chosen()


class _Chooser:
    def __init__(
        self, part: TrainedPart, plans: Sequence[CandidatePlan], support: FrozenFeatures
    ) -> None:
        self._part, self._plans, self._support = part, plans, support
        self._trained = {key for plan in plans for key in plan.trained}
        # Candidates whose heads start elsewhere are no part of this chunk.
        self._starts = plans[0].starts
        self._tied: dict[tuple[int, ...], BatchedTies | None] = {}
        self._blocks: list[ParameterBlock] = []
        self._layers: dict[fx.Node, Any] = {}
        self._folded: set[fx.Node] = set()

    def chosen(self) -> ChosenLayers:
        """Choose for all nodes, in order."""
        for node in self._part.nodes:
            if node not in self._folded:
                self._layers[node] = self._batched_layer(node)
        in_place = {node for node in self._part.nodes if self._only_reader(node)}
        for node, layer in self._layers.items():
            if isinstance(layer, BatchedHead) and self._after_rows(node, in_place):
                self._layers[node] = replace(layer, relu=True)
                self._folded.add(node.all_input_nodes[0])
        return ChosenLayers(self._blocks, self._layers, self._folded, in_place)

    def _only_reader(self, node: fx.Node) -> bool:
        """Return whether only a ReLU reads the output of a layer, so that it may work in place."""
        graph = self._part.graph
        layer = graph.target(node) if node.op == "call_module" else None
        if type(layer) is not nn.ReLU or hooked(layer):
            return False
        made = node.all_input_nodes[0]
        batched = self._layers.get(made)
        makes = made in self._folded or not isinstance(batched, (LayerParameter, type(None)))
        # A 1 x 1 convolution may return a view, and writing into that costs a copy.
        point = isinstance(batched, BatchedConv) and set(batched.conv.kernel_size) == {1}
        makes = makes and not point
        pools = made.op == "call_module" and type(graph.target(made)) is nn.MaxPool2d
        return len(made.users) == 1 and made in self._part.nodes and (makes or pools)

    def _after_rows(self, head: fx.Node, in_place: set[fx.Node]) -> bool:
        """Return whether only a head reads a ReLU of flat rows, so that it may compute the ReLU."""
        relu = head.all_input_nodes[0]
        if relu not in in_place or len(relu.users) > 1 or len(relu.meta["shape"]) != 2:
            return False
        return isinstance(self._layers.get(relu.all_input_nodes[0]), ConstantInputLayer)

    def _batched_layer(self, node: fx.Node) -> Any:
        graph = self._part.graph
        if has_batched_layer(graph, node):
            layer, given = graph.target(node), node.all_input_nodes[0]
            constant = given in self._support.values and self._constant(layer, node, given)
            return constant or self._varying(layer, node)
        read = graph.parameters(node)
        if not any(id(one) in self._trained for one in read):
            return None
        return self._layer_parameter(read[0]) if node.op == "get_attr" else self._single(node)

    def _constant(
        self, layer: nn.Module, node: fx.Node, given: fx.Node
    ) -> ConstantInputLayer | None:
        inputs = self._support.values[given]
        if self._starts.keys() & set(map(id, layer.parameters())):
            return None
        if not self._trained_as_one(layer) or not takes_patches(layer, inputs):
            return None
        weight = _linear(layer).weight
        positions = _positions(layer, inputs)
        width = weight[0].numel()
        if positions >= width:
            return None
        gram = all(plan.config.optimizer == "sgd" for plan in self._plans)
        width += _linear(layer).bias is not None
        block = self._block(weight, positions if gram else width)
        return ConstantInputLayer(layer, node, given, self._add(block), gram, self._support)

    def _trained_as_one(self, layer: nn.Module) -> bool:
        """Return whether weight and bias share a step size, and no other call reads them."""
        own = {id(one) for one in layer.parameters()}
        graph = self._part.graph
        readers = [node for node in graph.calls() if own & {id(p) for p in graph.parameters(node)}]
        sizes = [one for plan in self._plans for one in (plan.step_sizes, *plan.schedule)]
        same = all(len({one.get(key, 0.0) for key in own}) == 1 for one in sizes)
        return len(readers) == 1 and same and own <= self._trained

    def _varying(self, layer: nn.Module, node: fx.Node) -> Any:
        if isinstance(layer, NORMS):
            return BatchedNorm(layer, *self._pair(layer))
        if isinstance(layer, Head):
            return BatchedHead(layer, *self._pair(layer.linear))
        weight, bias = self._pair(layer)
        if isinstance(layer, nn.Linear):
            return BatchedLinear(weight, bias)
        assert isinstance(layer, CONV)
        norm = self._norm_after(node)
        if norm is None and self._by_group(layer, weight):
            return GroupGradientConv(layer, weight, bias)
        return BatchedConv(layer, weight, bias, norm)

    def _by_group(self, conv: Any, weight: LayerParameter) -> bool:
        if weight.block is None or conv.groups > 1:
            return False
        block = self._blocks[weight.block]
        if block.ties is None or block.start[0].numel() < GROUP_FAN_IN:
            return False
        return block.ties.groups * 2 <= block.ties.neurons

    def _norm_after(self, node: fx.Node) -> BatchedNorm | None:
        """Fold a batch norm that alone reads a convolution into its weights."""
        after = next(iter(node.users), None)
        if after is None or len(node.users) > 1 or after.op != "call_module":
            return None
        norm = self._part.graph.target(after)
        if not isinstance(norm, NORMS) or not has_batched_layer(self._part.graph, after):
            return None
        self._folded.add(after)
        return BatchedNorm(norm, *self._pair(norm))

    def _single(self, node: fx.Node) -> SingleCandidateLayer:
        layer = self._part.graph.target(node)
        named = {name: self._layer_parameter(one) for name, one in layer.named_parameters()}
        return SingleCandidateLayer(layer, named, node)

    def _pair(self, layer: nn.Module) -> tuple[LayerParameter, LayerParameter]:
        weight, bias = layer._parameters.get("weight"), layer._parameters.get("bias")
        return self._layer_parameter(weight), self._layer_parameter(bias)

    def _layer_parameter(self, parameter: nn.Parameter | None) -> LayerParameter:
        if parameter is None or id(parameter) not in self._trained:
            fixed = None if parameter is None else parameter.detach()
            return LayerParameter(fixed=fixed)
        for index, block in enumerate(self._blocks):
            if block.parameter == id(parameter):
                return LayerParameter(index)
        width = parameter.numel() // parameter.shape[:1].numel()
        block = self._block(parameter, width, whole=True)
        return LayerParameter(self._add(block))

    def _add(self, block: ParameterBlock) -> int:
        self._blocks.append(block)
        return len(self._blocks) - 1

    def _block(self, parameter: Tensor, width: int, *, whole: bool = False) -> ParameterBlock:
        key, tied = id(parameter), self._ties(parameter)
        sizes = parameter.new_tensor([plan.step_sizes[key] for plan in self._plans])
        start = self._starts.get(key, parameter.detach())
        return ParameterBlock(key, start, tied, sizes, width, whole and tied is None)

    def _ties(self, parameter: Tensor) -> BatchedTies | None:
        labels = [plan.labels.get(id(parameter)) for plan in self._plans]
        which = tuple(map(id, labels))
        if which not in self._tied:
            self._tied[which] = _batched_ties(labels, parameter, self._plans)
        return self._tied[which]


def _linear(layer: nn.Module) -> Any:
    return layer.linear if isinstance(layer, Head) else layer


def _positions(layer: nn.Module, inputs: Tensor) -> int:
    if not isinstance(layer, nn.Conv2d):
        return len(inputs)
    out = layer(inputs[:1])
    return len(inputs) * out.shape[2] * out.shape[3]


def _batched_ties(
    labels: Sequence[Any], parameter: Tensor, plans: Sequence[CandidatePlan]
) -> BatchedTies | None:
    if all(one is None for one in labels):
        return None
    each = np.arange(len(parameter))
    table = np.stack([each if one is None else np.asarray(one) for one in labels])
    mean = [plan.config.reduce == "mean" for plan in plans]
    device = parameter.device
    return BatchedTies(torch.from_numpy(table).to(device), torch.tensor(mean, device=device))
