"""Layers whose input no candidate changes: what the pretrained weights answer is computed once.

For such a layer ``(W0 + M theta) x = W0 x + M (theta x)``: the first part is the same for all
candidates, the second has one row a group. Under SGD the shift stays in the span of the inputs,
``theta = A X``, and only the small inner products ``X X'`` are needed, whatever follows the layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from kshot_viz.evaluate.fast.layout import Size, Value
from kshot_viz.evaluate.fast.parameters import Shifts
from kshot_viz.evaluate.fast.split import Frozen
from kshot_viz.models.head import Head


@dataclass(frozen=True, eq=False)
class ConstantRule:
    """A convolution, linear layer or head on an input that all candidates share.

    Attributes
    ----------
    layer : module
    site : Node
        The call of the layer; ``given`` is the frozen node whose value it takes.
    place : int
        Number of the block: rows of ``A`` (``gram``) or of the shift itself, bias included.
    """

    layer: nn.Module
    site: fx.Node
    given: fx.Node
    place: int
    gram: bool
    support: Frozen

    def on(self, frozen: Frozen, shifts: Shifts, size: Size) -> Value:
        """Return the layer's output for the images of ``frozen``."""
        inputs = frozen.once(
            (self.site, "patches"), lambda: patches(self.layer, self.value(frozen))
        )
        start = frozen.once((self.site, "start"), lambda: self._start(frozen))
        rows = shifts.rows[self.place].flatten(0, 1)
        if self.gram:
            shift = _Span.apply(rows, self._products(frozen, inputs))
        else:
            shift = rows @ inputs.t()
        lanes = shifts.blocks[self.place].lanes
        if lanes is None:
            moved = (shift.view(size.lanes, *start.shape) + start).flatten(0, 1)
        else:
            moved = lanes.spread(shift, start)
        return Value(moved, rows=True)

    def known(self, frozen: Frozen) -> tuple[Tensor, Tensor]:
        """Return the inner products with the support, and what the pretrained layer answers."""
        inputs = frozen.once(
            (self.site, "patches"), lambda: patches(self.layer, self.value(frozen))
        )
        start = frozen.once((self.site, "start"), lambda: self._start(frozen))
        return self._products(frozen, inputs), start

    def value(self, frozen: Frozen) -> Tensor:
        """Return the input of the layer; a head's input pooled."""
        given = frozen.values[self.given]
        return self.layer._pool(given) if isinstance(self.layer, Head) else given

    def _products(self, frozen: Frozen, inputs: Tensor) -> Tensor:
        def make() -> Tensor:
            basis = patches(self.layer, self.value(self.support))
            return basis @ inputs.t()

        return frozen.once((self.site, "products"), make)

    def _start(self, frozen: Frozen) -> Tensor:
        """Return what the pretrained layer answers, neurons first: (neurons, N, ...)."""
        given = frozen.values[self.given]
        if not isinstance(self.layer, Head):
            return self.layer(given).transpose(0, 1).contiguous()
        extra = given.ndim - 2 if self.layer.keep_ndim else 0
        return given.new_zeros(self.layer.linear.out_features, len(given), *[1] * extra)


def patches(layer: nn.Module, given: Tensor) -> Tensor:
    """Return what each output position reads, shape (images * positions, entries of a row).

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
    """Say whether ``patches`` knows this layer and input."""
    if isinstance(layer, nn.Conv2d):
        plain = layer.groups == 1 and layer.padding_mode == "zeros"
        return plain and not isinstance(layer.padding, str) and given.ndim == 4
    if isinstance(layer, Head):
        return True
    return type(layer) is nn.Linear and given.ndim == 2


class _Span(torch.autograd.Function):
    """``A K``, with the step that ``A X`` would take: its gradient, not that of ``A``."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, products: Tensor) -> Tensor:
        return rows @ products

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0], None
