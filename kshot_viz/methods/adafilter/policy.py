"""The gates of one pass through a network: decided layer by layer, or drawn once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Cells an axis of what the first convolution reads: of an image, one number would say little.
IMAGE_CELLS = 4
HIDDEN = 32
_POOLS = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}


class _Threshold(torch.autograd.Function):
    """1 where a logit is above 0, else 0; the gradient is that of its sigmoid, at unit size.

    While twins hardly differ, a gate makes hardly any difference, and its gradient is next to zero.
    Only the direction says something: the gradient of a layer is divided by its root mean square,
    and by the number of examples.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(logits)
        return (logits > 0).to(logits.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (logits,) = ctx.saved_tensors
        share = torch.sigmoid(logits)
        soft = gradients[0] * share * (1 - share)
        # By the largest first: squares of tiny numbers would be zero.
        most = soft.abs().amax()
        soft = torch.where(most > 0, soft / most, torch.zeros_like(soft))
        size = soft.square().mean().sqrt().clamp_min(torch.finfo(soft.dtype).tiny)
        return soft / size / len(soft)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The gates of one call of a convolution.

    Attributes
    ----------
    layer : int
    gates : Tensor, shape (N, channels)
        1 takes a channel from the filter that trains, 0 from the frozen one.
    shares : Tensor, shape (N, channels)
        What the gates are thresholds of, from 0 to 1.
    """

    layer: int
    gates: Tensor
    shares: Tensor


@dataclass(frozen=True, eq=False)
class Halves:
    """What both twins of a convolution made of one input, and the gates between them."""

    mixed: Tensor
    trained: Tensor
    frozen: Tensor
    gates: Tensor


class Gates(nn.Module):
    """What chooses the gates of every pass.

    Parameters
    ----------
    layers : sequence of str
        The gated convolutions in the order in which they run.

    Attributes
    ----------
    halves : list of Halves
        What the batch norms of this pass have yet to read.
    """

    def __init__(self, layers: Sequence[str]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.halves: list[Halves] = []
        self._seen: list[Chosen] | None = None

    @contextmanager
    def recorded(self) -> Iterator[list[Chosen]]:
        """Collect what is chosen inside the block, call by call."""
        seen: list[Chosen] = []
        self._seen = seen
        try:
            yield seen
        finally:
            self._seen = None

    def forget(self, *_: Any) -> None:
        """Forget the pass; a hook before and after every pass of the network."""
        self.halves = []

    def choose(self, layer: int, given: Tensor) -> Tensor:
        """Return the gates (N, channels) of a layer for what its convolution is given."""
        chosen = self.decide(layer, given)
        if self._seen is not None:
            self._seen.append(chosen)
        return chosen.gates

    def decide(self, layer: int, given: Tensor) -> Chosen:
        """Return the gates of a layer."""
        raise NotImplementedError


class StaticGates(Gates):
    """Gates that are the same for all examples, and do not train.

    Parameters
    ----------
    layers : sequence of str
    values : sequence of Tensor, each of shape (channels,)
    """

    def __init__(self, layers: Sequence[str], values: Sequence[Tensor]) -> None:
        super().__init__(layers)
        for index, one in enumerate(values):
            self.register_buffer(f"layer_{index}", one)

    def decide(self, layer: int, given: Tensor) -> Chosen:
        """Return the given gates, one row an example."""
        gates = self.get_buffer(f"layer_{layer}").expand(len(given), -1)
        return Chosen(layer, gates, gates)


class LearnedGates(Gates):
    """One recurrent cell that steps through the layers, with maps into and out of it.

    Parameters
    ----------
    layers : sequence of str
    inputs : sequence of Tensor, each of shape (N, numbers)
        What each layer is given for the support, pooled. Numbers are read as standardised
        deviations from their mean there; else what all images have in common would decide.
    widths : sequence of int
        Channels of each layer.
    """

    def __init__(
        self, layers: Sequence[str], inputs: Sequence[Tensor], widths: Sequence[int]
    ) -> None:
        super().__init__(layers)
        self.into = nn.ModuleList(nn.Linear(one.shape[1], HIDDEN) for one in inputs)
        self.cell = nn.LSTMCell(HIDDEN, HIDDEN)
        self.out = nn.ModuleList(nn.Linear(HIDDEN, width) for width in widths)
        for index, one in enumerate(inputs):
            nn.init.zeros_(cast(nn.Linear, self.out[index]).bias)
            std = one.std(dim=0, correction=0)
            self.register_buffer(f"mean_{index}", one.mean(dim=0))
            self.register_buffer(f"std_{index}", torch.where(std > 1e-6, std, 1.0))
        self._state: tuple[Tensor, Tensor] | None = None

    def forget(self, *_: Any) -> None:
        """Empty the cell's memory too."""
        super().forget()
        self._state = None

    def decide(self, layer: int, given: Tensor) -> Chosen:
        """Step to a layer, and return the gates that the cell gives there."""
        deviation = pooled(layer, given) - self.get_buffer(f"mean_{layer}")
        read = self.into[layer](deviation / self.get_buffer(f"std_{layer}"))
        self._state = self.cell(read, self._state)
        logits = self.out[layer](self._state[0])
        return Chosen(layer, _Threshold.apply(logits), torch.sigmoid(logits))


def gates_like(state: Mapping[str, Tensor], layers: Sequence[str], widths: Sequence[int]) -> Gates:
    """Return gates whose parameters and buffers have the names and shapes of a state.

    Parameters
    ----------
    state : mapping of str to Tensor
    layers : sequence of str
        The gated convolutions in the order in which they run.
    widths : sequence of int
        Channels of each.
    """
    if "layer_0" in state:
        return StaticGates(layers, [state[f"layer_{index}"] for index in range(len(layers))])
    inputs = [state[f"mean_{index}"][None] for index in range(len(layers))]
    return LearnedGates(layers, inputs, widths).to(inputs[0].dtype)


def pooled(layer: int, given: Tensor) -> Tensor:
    """Return what the cell reads of a convolution's input (N, C, ...), shape (N, numbers).

    The average of each channel, but several cells of the first layer's. Gates send no gradient
    back into what they read: it is not of the size of the loss's.
    """
    if layer:
        return given.detach().flatten(2).mean(dim=2)
    return _POOLS[given.ndim](given.detach(), IMAGE_CELLS).flatten(1)


def unlike(seen: Sequence[Chosen]) -> Tensor:
    """Return how far the shares of gates differ between examples, a scalar.

    Four times the variance of each gate's share over the examples, which is at most 1, summed over
    channels and layers.
    """
    return torch.stack([4 * one.shares.var(dim=0, correction=0).sum() for one in seen]).sum()
