"""How each kind of layer runs with the shifted parameters of several candidates.

A rule is made once for a chunk of candidates and called at every step. Which rule a layer gets
depends on shapes and settings alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.func import functional_call

from kshot_viz.evaluate.fast.convolution import Conv, convolve, convolve_groups
from kshot_viz.evaluate.fast.layout import Size, Value, apart, side_by_side
from kshot_viz.evaluate.fast.parameters import Shifts
from kshot_viz.models.head import Head


class Rule(Protocol):
    """Computes one node of the tail."""

    def __call__(self, given: Any, shifts: Shifts, size: Size) -> Value:
        """Return the node's value from its input and all shifts."""


@dataclass(frozen=True)
class Moved:
    """A parameter of a layer: the number of its block, or its value where it stays."""

    place: int | None = None
    fixed: Tensor | None = None

    def full(self, shifts: Shifts, size: Size) -> Tensor | None:
        """Return the parameter of every candidate, shape (C * neurons, ...)."""
        if self.place is not None:
            return shifts.full(self.place)
        if self.fixed is None or size.lanes == 1:
            return self.fixed
        return self.fixed.repeat(size.lanes, *[1] * (self.fixed.ndim - 1))

    def tensor(self, shifts: Shifts, size: Size) -> Tensor:
        """As ``full``, of a parameter that is there."""
        found = self.full(shifts, size)
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class ConvRule:
    """A convolution, with the batch norm after it folded into its weights where there is one."""

    conv: Conv
    weight: Moved
    bias: Moved
    norm: NormRule | None = None

    def __call__(self, given: Any, shifts: Shifts, size: Size) -> Value:
        """Return the output of every candidate."""
        weight, bias = self.weight.tensor(shifts, size), self.bias.full(shifts, size)
        if self.norm is not None:
            scale, shift = self.norm.affine(shifts, size)
            weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
            bias = shift if bias is None else bias * scale + shift
        images = _images(given, self.conv, size)
        weight = _laid_out(weight, size)
        return Value(convolve(self.conv, images, weight, bias, size.lanes))


@dataclass(frozen=True, eq=False)
class GroupConvRule:
    """A convolution whose weight gradient is taken by group instead of by neuron."""

    conv: Conv
    weight: Moved
    bias: Moved

    def __call__(self, given: Any, shifts: Shifts, size: Size) -> Value:
        """Return the output of every candidate."""
        place = self.weight.place
        assert place is not None
        tied = shifts.blocks[place].lanes
        assert tied is not None
        weight, images = _laid_out(shifts.value(place), size), _images(given, self.conv, size)
        bias = None if self.bias.place is None else shifts.rows[self.bias.place]
        fixed = self.bias.full(shifts, size)
        full = weight, None if fixed is None else fixed.detach()
        return Value(convolve_groups(self.conv, images, full, shifts.rows[place], tied, bias))


@dataclass(frozen=True, eq=False)
class LinearRule:
    """A linear layer on inputs that differ between candidates."""

    weight: Moved
    bias: Moved

    def __call__(self, given: Any, shifts: Shifts, size: Size) -> Value:
        """Return the output of every candidate."""
        weight, bias = self.weight.tensor(shifts, size), self.bias.full(shifts, size)
        features = side_by_side(given, size)
        if size.lanes == 1:
            return Value(F.linear(features, weight, bias))
        weights = weight.unflatten(0, (size.lanes, -1)).transpose(1, 2)
        found = torch.bmm(apart(features, size).transpose(0, 1), weights)
        flat = found.transpose(0, 1).flatten(1)
        return Value(flat if bias is None else flat + bias)


@dataclass(frozen=True, eq=False)
class NormRule:
    """A batch norm with frozen statistics: a scale and a shift of each channel."""

    norm: nn.modules.batchnorm._BatchNorm
    weight: Moved
    bias: Moved
    known: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def affine(self, shifts: Shifts, size: Size) -> tuple[Tensor, Tensor]:
        """Return scale and shift, shape (C * channels,) each."""
        weight, bias = self.weight.full(shifts, size), self.bias.full(shifts, size)
        inverse, mean = self._statistics(size.lanes)
        scale = inverse if weight is None else weight * inverse
        shift = -mean * scale if bias is None else torch.addcmul(bias, mean, scale, value=-1)
        return scale, shift

    def _statistics(self, lanes: int) -> tuple[Tensor, Tensor]:
        if lanes not in self.known:
            mean, variance = self.norm.running_mean, self.norm.running_var
            assert mean is not None
            assert variance is not None
            # Training uses them too, even where they were first asked for without gradients.
            with torch.inference_mode(False):
                inverse = torch.rsqrt(variance + self.norm.eps)
                self.known[lanes] = inverse.repeat(lanes), mean.repeat(lanes)
        return self.known[lanes]

    def __call__(self, given: Any, shifts: Shifts, size: Size) -> Value:
        """Return the output of every candidate."""
        scale, shift = self.affine(shifts, size)
        if isinstance(given, Value) and given.rows:
            inner = (-1, *[1] * (given.tensor.ndim - 1))
            moved = torch.addcmul(shift.view(inner), given.tensor, scale.view(inner))
            return Value(moved, rows=True)
        values = side_by_side(given, size)
        scale, shift = _per_channel(scale, values), _per_channel(shift, values)
        return Value(torch.addcmul(shift, values, scale))


@dataclass(frozen=True, eq=False)
class HeadRule:
    """The new head on features that differ between candidates; with a ReLU before it, if folded."""

    head: Head
    weight: Moved
    bias: Moved
    relu: bool = False

    def __call__(self, given: Any, shifts: Shifts, size: Size) -> Value:
        """Return the output of every candidate."""
        weight, bias = self.weight.tensor(shifts, size), self.bias.tensor(shifts, size)
        weight, bias = weight.view(size.lanes, -1, weight.shape[-1]), bias.view(size.lanes, -1, 1)
        features, ndim = self._features(given, size)
        if self.relu:
            logits = _ReluHead.apply(features, weight, bias)
        else:
            logits = torch.baddbmm(bias, weight, features)
        logits = logits.flatten(0, 1)
        extra = ndim - 2 if self.head.keep_ndim else 0
        return Value(logits.view(*logits.shape, *[1] * extra), rows=True)

    def _features(self, given: Any, size: Size) -> tuple[Tensor, int]:
        """Return the pooled input, (C, features, N), and how many dimensions it had."""
        if isinstance(given, Value) and given.rows:
            rows = given.tensor
            pooled = rows.flatten(2).mean(2) if rows.ndim > 2 else rows
            return pooled.view(size.lanes, -1, rows.shape[1]), rows.ndim
        whole = side_by_side(given, size)
        return apart(self.head._pool(whole), size).permute(1, 2, 0), whole.ndim


class _ReluHead(torch.autograd.Function):
    """``weight @ relu(features) + bias``, with as few passes over the features as possible.

    Both the ReLU and its gradient work in place: nothing else reads what they overwrite.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        active = features.relu_()
        ctx.save_for_backward(active, weight)
        return torch.baddbmm(bias, weight, active)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        active, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        by_weight = torch.bmm(gradient, active.transpose(1, 2))
        back = torch.bmm(weight.transpose(1, 2), gradient)
        torch.ops.aten.threshold_backward.grad_input(back, active, 0, grad_input=back)
        return back, by_weight, gradient.sum(dim=2, keepdim=True)


@dataclass(frozen=True, eq=False)
class AnyRule:
    """Any other layer with parameters that move, for one candidate at a time."""

    module: nn.Module
    parameters: dict[str, Moved]
    node: fx.Node

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any], shifts: Shifts) -> Value:
        """Run the layer as it is, with its shifted parameters."""
        size = Size(1, 0)
        values = {name: moved.tensor(shifts, size) for name, moved in self.parameters.items()}
        return Value(functional_call(self.module, values, args, kwargs))


def _images(given: Any, conv: Conv, size: Size) -> Tensor:
    """Return a convolution's input; one that all candidates share need not be repeated."""
    if isinstance(given, Tensor) and conv.groups == 1:
        return given
    return side_by_side(given, size)


def _laid_out(weight: Tensor, size: Size) -> Tensor:
    if weight.ndim == 4 and size.channels_last:
        return weight.contiguous(memory_format=torch.channels_last)
    return weight


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 2))
