"""Layers whose input no candidate changes: the output of the pretrained weights is computed once.

For such a layer ``(W0 + M theta) x = W0 x + M (theta x)``: the first part is the same for all
candidates, the second has one row a group. Under SGD ``theta`` stays in the span of the inputs,
``theta = A X``, and only the small inner products ``X X'`` are needed, whatever follows the layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from kshot_viz.evaluate.fast.batched_ties import BatchedTies, Size, Value
from kshot_viz.evaluate.fast.parameters import CandidateParameters
from kshot_viz.evaluate.fast.split import FrozenFeatures
from kshot_viz.models.head import Head


@dataclass(frozen=True, eq=False)
class ConstantInputLayer:
    """A convolution, linear layer or head on an input that all candidates share.

    Attributes
    ----------
    layer : module
    site : Node
        The call of the layer; ``given`` is the frozen node whose value it takes.
    block : int
        Index of the block: rows of ``A`` (``gram``) or of the change itself, bias included.
    """

    layer: nn.Module
    site: fx.Node
    given: fx.Node
    block: int
    gram: bool
    support: FrozenFeatures

    def forward(self, frozen: FrozenFeatures, parameters: CandidateParameters, size: Size) -> Value:
        """Return the layer's output for the images of ``frozen``."""
        inputs = frozen.once(
            (self.site, "patches"), lambda: patches(self.layer, self.value(frozen))
        )
        start = frozen.once((self.site, "start"), lambda: self._start(frozen))
        rows = parameters.rows[self.block].flatten(0, 1)
        if self.gram:
            change = _Span.apply(rows, self._products(frozen, inputs))
        else:
            change = rows @ inputs.t()
        ties = parameters.blocks[self.block].ties
        if ties is None:
            output = (change.view(size.n_candidates, *start.shape) + start).flatten(0, 1)
        else:
            output = ties.spread(change, start)
        return Value(output, rows=True)

    def products_and_start(self, frozen: FrozenFeatures) -> tuple[Tensor, Tensor]:
        """Return the inner products with the support, and the output of the pretrained layer."""
        inputs = frozen.once(
            (self.site, "patches"), lambda: patches(self.layer, self.value(frozen))
        )
        start = frozen.once((self.site, "start"), lambda: self._start(frozen))
        return self._products(frozen, inputs), start

    def value(self, frozen: FrozenFeatures) -> Tensor:
        """Return the input of the layer; a head's input pooled."""
        given = frozen.values[self.given]
        return self.layer._pool(given) if isinstance(self.layer, Head) else given

    def _products(self, frozen: FrozenFeatures, inputs: Tensor) -> Tensor:
        def make() -> Tensor:
            basis = patches(self.layer, self.value(self.support))
            return basis @ inputs.t()

        return frozen.once((self.site, "products"), make)

    def _start(self, frozen: FrozenFeatures) -> Tensor:
        """Return the output of the pretrained layer, neurons first: (neurons, N, ...)."""
        given = frozen.values[self.given]
        if not isinstance(self.layer, Head):
            return self.layer(given).transpose(0, 1).contiguous()
        extra = given.ndim - 2 if self.layer.keep_ndim else 0
        return given.new_zeros(self.layer.linear.out_features, len(given), *[1] * extra)


def patches(layer: nn.Module, given: Tensor) -> Tensor:
    """Return the inputs of each output position, shape (images * positions, entries of a row).

    The last entry is the constant 1 that the bias is multiplied by, where there is one.
    """
    if isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)
        unfolded = F.unfold(given, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        rows = unfolded.transpose(1, 2).flatten(0, 1)
    else:
        rows = given
    bias = layer.linear.bias if isinstance(layer, Head) else layer.bias
    if bias is None:
        return rows.contiguous()
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)


def takes_patches(layer: nn.Module, given: Tensor) -> bool:
    """Return whether ``patches`` is defined for this layer and input."""
    if isinstance(layer, nn.Conv2d):
        plain = layer.groups == 1 and layer.padding_mode == "zeros"
        return plain and not isinstance(layer.padding, str) and given.ndim == 4
    if isinstance(layer, Head):
        return True
    return type(layer) is nn.Linear and given.ndim == 2


class _Span(torch.autograd.Function):
    """``A K``, with the gradient of ``A X``, not that of ``A``."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, products: Tensor) -> Tensor:
        return rows @ products

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0], None


@dataclass(eq=False)
class TwoLayers:
    """A layer in inner-product form (``A K``), ReLU, and a head on its flat output.

    Attributes
    ----------
    first, weight, bias : int
        Indices of the blocks: rows of ``A``, and the head's two parameters.
    products : Tensor, shape (N, N)
        Inner products of the layer's inputs.
    start : Tensor, shape (neurons, N)
        The output of the pretrained layer.
    targets : Tensor of int64, shape (N,)
    """

    first: int
    weight: int
    bias: int
    products: Tensor
    start: Tensor
    targets: Tensor
    _active: Tensor | None = None
    _back: Tensor | None = None

    @torch.no_grad()
    def losses_and_gradients(self, parameters: CandidateParameters) -> tuple[Tensor, list[Tensor]]:
        """Return the losses, shape (C,), and the summed gradient of every block."""
        ties = parameters.blocks[self.first].ties
        assert ties is not None
        count, images = parameters.n_candidates, len(self.targets)
        weight = parameters.rows[self.weight]
        active = self._activations(parameters, ties)
        logits = torch.baddbmm(parameters.rows[self.bias], weight, active)
        logs = torch.log_softmax(logits, dim=1)
        chosen = self.targets.expand(count, 1, images)
        losses = -logs.gather(1, chosen).mean(dim=(1, 2))
        gradient = logs.exp_().scatter_add_(1, chosen, -torch.ones_like(logs[:, :1])).div_(images)
        found = [parameters.flat] * len(parameters.blocks)
        found[self.weight] = torch.bmm(gradient, active.transpose(1, 2))
        found[self.bias] = gradient.sum(dim=2, keepdim=True)
        found[self.first] = ties.sums(self._through(weight, gradient, active))
        return losses, found

    def _activations(self, parameters: CandidateParameters, ties: BatchedTies) -> Tensor:
        change = parameters.rows[self.first].flatten(0, 1) @ self.products
        self._active = _fitting(self._active, parameters.n_candidates, self.start)
        flat = self._active.flatten(0, 1)
        ties.spread_detached(change, self.start, out=flat)
        flat.relu_()
        return self._active

    def _through(self, weight: Tensor, gradient: Tensor, active: Tensor) -> Tensor:
        """Return the gradient before the ReLU, (C * neurons, N)."""
        self._back = _fitting(self._back, len(weight), self.start)
        torch.bmm(weight.transpose(1, 2), gradient, out=self._back)
        threshold = torch.ops.aten.threshold_backward.grad_input
        threshold(self._back, active, 0, grad_input=self._back)
        return self._back.flatten(0, 1)


def _fitting(buffer: Tensor | None, n_candidates: int, like: Tensor) -> Tensor:
    if buffer is not None and len(buffer) == n_candidates:
        return buffer
    return like.new_empty(n_candidates, *like.shape)
