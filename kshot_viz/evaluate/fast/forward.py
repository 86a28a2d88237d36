"""Forward pass and training of several candidates at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from kshot_viz.evaluate.fast.batched_ties import Size, Value, side_by_side, split_candidates
from kshot_viz.evaluate.fast.choose_layers import choose_layers
from kshot_viz.evaluate.fast.constant_input import ConstantInputLayer, TwoLayers
from kshot_viz.evaluate.fast.graph import Graph, run_node
from kshot_viz.evaluate.fast.layers import BatchedHead, LayerParameter, SingleCandidateLayer
from kshot_viz.evaluate.fast.parameters import (
    BatchedOptimizer,
    CandidateParameters,
    CandidatePlan,
    ParameterBlock,
)
from kshot_viz.evaluate.fast.split import FrozenFeatures, TrainedPart
from kshot_viz.evaluate.fast.supported import per_channel
from kshot_viz.methods.loss import cross_entropy


class BatchedForward:
    """Computes the logits of every candidate from their parameters.

    Attributes
    ----------
    blocks : list of ParameterBlock
        The trained parameters of all candidates.
    """

    def __init__(
        self, part: TrainedPart, plans: Sequence[CandidatePlan], support: FrozenFeatures
    ) -> None:
        self._part, self._support = part, support
        chosen = choose_layers(part, plans, support)
        self.blocks: list[ParameterBlock] = chosen.blocks
        self._layers, self._folded, self._in_place = chosen.layers, chosen.folded, chosen.in_place

    def logits(self, parameters: CandidateParameters, frozen: FrozenFeatures) -> Tensor:
        """Return the logits for the images of ``frozen``, shape (C, classes, N)."""
        graph = self._part.graph
        size = Size(parameters.n_candidates, frozen.n, graph.channels_last)
        values: dict[fx.Node, Any] = dict(frozen.values)
        for node in self._part.nodes:
            if node in self._folded:
                values[node] = values[node.all_input_nodes[0]]
            else:
                values[node] = self._run(node, values, parameters, frozen, size)
        found = values[graph.output]
        if found.rows:
            return found.tensor.view(size.n_candidates, -1, size.images)
        return split_candidates(found.tensor, size).permute(1, 2, 0)

    def two_layers(self, targets: Tensor) -> TwoLayers | None:
        """Return the trained part written out, where it is a grouped layer, a ReLU and the head."""
        made = [(node, layer) for node, layer in self._layers.items() if node not in self._folded]
        if [type(layer) for _, layer in made] != [ConstantInputLayer, BatchedHead]:
            return None
        first, head = made[0][1], made[1][1]
        tied = self.blocks[first.block].ties is not None
        ends = made[1][0] is self._part.graph.output and not head.head.keep_ndim
        trains = None not in (head.weight.block, head.bias.block)
        if not (head.relu and first.gram and tied and ends and trains):
            return None
        products, start = first.products_and_start(self._support)
        return TwoLayers(first.block, head.weight.block, head.bias.block, products, start, targets)

    def _run(
        self,
        node: fx.Node,
        values: Mapping[fx.Node, Any],
        parameters: CandidateParameters,
        frozen: FrozenFeatures,
        size: Size,
    ) -> Any:
        layer = self._layers[node]
        if isinstance(layer, ConstantInputLayer):
            return layer.forward(frozen, parameters, size)
        if isinstance(layer, SingleCandidateLayer):
            args = fx.map_arg(node.args, lambda one: side_by_side(values[one], size))
            kwargs = fx.map_arg(node.kwargs, lambda one: side_by_side(values[one], size))
            return layer.call(args, kwargs, parameters)
        if isinstance(layer, LayerParameter):
            return Value(layer.tensor(parameters, size))
        if layer is not None:
            return layer(values[node.all_input_nodes[0]], parameters, size)
        if node in self._in_place:
            given = values[node.all_input_nodes[0]]
            return Value(torch.relu_(given.tensor), given.rows)
        return _plain(self._part.graph, node, values, size)


def _plain(graph: Graph, node: fx.Node, values: Mapping[fx.Node, Any], size: Size) -> Value:
    inputs = node.all_input_nodes
    first = values[inputs[0]]
    if isinstance(first, Value) and first.rows and per_channel(graph, node):
        return Value(run_node(graph, node, {inputs[0]: first.tensor}), rows=True)
    given = {one: _tensor(values[one], size) for one in inputs}
    if size.n_candidates > 1 and node.target is torch.cat:
        listed: Any = node.args[0]
        parts = [split_candidates(given[one], size) for one in listed]
        return Value(torch.cat(parts, dim=2).flatten(1, 2))
    return Value(run_node(graph, node, given))


def _tensor(value: Any, size: Size) -> Any:
    return side_by_side(value, size) if isinstance(value, (Tensor, Value)) else value


class Chunk:
    """Some candidates of one episode, trained together.

    Parameters
    ----------
    part : TrainedPart
    plans : sequence of CandidatePlan
        With the same optimizer and number of steps.
    support : FrozenFeatures
    targets : Tensor of int64, shape (N,)
    """

    def __init__(
        self,
        part: TrainedPart,
        plans: Sequence[CandidatePlan],
        support: FrozenFeatures,
        targets: Tensor,
    ) -> None:
        self._forward = BatchedForward(part, plans, support)
        self._support, self._targets = support, targets
        self._parameters = CandidateParameters(self._forward.blocks)
        self._optimizer = BatchedOptimizer(self._parameters, plans)
        self._steps = plans[0].config.steps
        self._two_layers = self._forward.two_layers(targets)

    def states(self) -> Iterator[tuple[int, Tensor]]:
        """Train, and yield (steps taken, losses of shape (C,)) at every state passed.

        Between two states the candidates may be evaluated. A candidate whose loss is not finite
        goes on without changing the others.
        """
        for step in range(self._steps + 1):
            losses, gradients = self._losses()
            yield step, losses.detach()
            if step < self._steps:
                self._optimizer.step(gradients or self._gradients(losses))

    def accuracies(self) -> Tensor:
        """Return every candidate's accuracy on the support images, shape (C,)."""
        hits = self.logits(self._support).argmax(dim=1) == self._targets
        return hits.double().mean(dim=1)

    def logits(self, frozen: FrozenFeatures) -> Tensor:
        """Return the logits of every candidate for other images, shape (C, classes, N)."""
        with torch.inference_mode():
            return self._forward.logits(self._parameters, frozen)

    def _gradients(self, losses: Tensor) -> Sequence[Tensor]:
        # Zeros for parameters that the network holds but does not use.
        return torch.autograd.grad(losses.sum(), self._parameters.rows, materialize_grads=True)

    def _losses(self) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the losses, and the gradients where they come along."""
        if self._two_layers is not None:
            return self._two_layers.losses_and_gradients(self._parameters)
        logits = self._forward.logits(self._parameters, self._support)
        return cross_entropy(logits, self._targets), ()
