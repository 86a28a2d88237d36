"""Labels2Adaptation: the label embeddings of a task -> changes of every layer of the backbone.

Each layer has a query that attends over the labels; what it reads becomes the layer's change. At
the start every change is none, so the adapted network begins as the backbone itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kshot_viz.errors import unknown_name

KINDS = ("scale_shift", "low_rank")


@dataclass(frozen=True)
class LayerChange:
    """A change of one layer.

    Attributes
    ----------
    scale, shift : Tensor or None
        (channels,): what the layer returns, after its batch norm, becomes ``scale * out + shift``.
    delta : Tensor or None
        (channels, inputs): is added to the weight.
    """

    scale: Tensor | None = None
    shift: Tensor | None = None
    delta: Tensor | None = None


class Labels2Adaptation(nn.Module):
    """Changes of all layers for one task.

    Parameters
    ----------
    layers : mapping of str to (int, int)
        Channels and inputs of each channel, of every layer.
    width : int
        Length of the label embeddings.
    kind : {"scale_shift", "low_rank"}
        A scale and a shift of each channel, or a matrix of rank ``rank`` that is added to the
        weight.
    rank : int
        Only for ``"low_rank"``.
    """

    def __init__(
        self, layers: Mapping[str, tuple[int, int]], width: int, *, kind: str, rank: int
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise unknown_name("kind", kind, KINDS)
        self.kind, self.rank, self.layers = kind, rank, dict(layers)
        self.queries = nn.Parameter(torch.randn(len(self.layers), width) * width**-0.5)
        self.norm = nn.LayerNorm(width)
        self.out = nn.ModuleList(nn.Linear(width, n) for n in map(self._numbers, layers.values()))
        for linear, (channels, _) in zip(self.out, self.layers.values(), strict=True):
            self._start_as_identity(linear, channels)

    def forward(self, labels: Tensor) -> dict[str, LayerChange]:
        """Map label embeddings (classes, width) of one task to the change of each layer."""
        normed = self.norm(labels)
        attention = (self.queries @ normed.T / normed.shape[1] ** 0.5).softmax(dim=-1)
        read = attention @ normed
        outs = [linear(row) for linear, row in zip(self.out, read, strict=True)]
        return {
            name: self._change(out, *shape)
            for out, (name, shape) in zip(outs, self.layers.items(), strict=True)
        }

    def _numbers(self, shape: tuple[int, int]) -> int:
        channels, inputs = shape
        return 2 * channels if self.kind == "scale_shift" else self.rank * (channels + inputs)

    def _start_as_identity(self, linear: nn.Module, channels: int) -> None:
        assert isinstance(linear, nn.Linear)
        # One zero factor makes the product none; two would stop all gradients.
        zero = slice(None) if self.kind == "scale_shift" else slice(self.rank * channels)
        with torch.no_grad():
            linear.weight[zero] = 0
            linear.bias[zero] = 0

    def _change(self, out: Tensor, channels: int, inputs: int) -> LayerChange:
        if self.kind == "scale_shift":
            return LayerChange(scale=1 + out[:channels], shift=out[channels:])
        cut = self.rank * channels
        left, right = out[:cut].view(channels, self.rank), out[cut:].view(self.rank, inputs)
        return LayerChange(delta=left @ right)
