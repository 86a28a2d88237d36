"""Batched layers: each kind of layer, run with the parameters of several candidates at once.

A batched layer is made once for a chunk of candidates and called at every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.func import functional_call

from kshot_viz.evaluate.fast.batched_ties import Size, Value, side_by_side, split_candidates
from kshot_viz.evaluate.fast.convolution import Conv, convolve, convolve_groups
from kshot_viz.evaluate.fast.parameters import CandidateParameters
from kshot_viz.models.head import Head


@dataclass(frozen=True)
class LayerParameter:
    """A parameter of a layer: the index of its block, or its value where it is frozen."""

    block: int | None = None
    fixed: Tensor | None = None

    def full(self, parameters: CandidateParameters, size: Size) -> Tensor | None:
        """Return the parameter of every candidate, shape (C * neurons, ...)."""
        if self.block is not None:
            return parameters.full(self.block)
        if self.fixed is None or size.n_candidates == 1:
            return self.fixed
        return self.fixed.repeat(size.n_candidates, *[1] * (self.fixed.ndim - 1))

    def tensor(self, parameters: CandidateParameters, size: Size) -> Tensor:
        """As ``full``, of a parameter that is there."""
        found = self.full(parameters, size)
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class BatchedConv:
    """A convolution, with the batch norm after it folded into its weights where there is one."""

    conv: Conv
    weight: LayerParameter
    bias: LayerParameter
    norm: BatchedNorm | None = None

    def __call__(self, given: Any, parameters: CandidateParameters, size: Size) -> Value:
        """Return the output of every candidate."""
        weight, bias = self.weight.tensor(parameters, size), self.bias.full(parameters, size)
        if self.norm is not None:
            scale, shift = self.norm.affine(parameters, size)
            weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
            bias = shift if bias is None else bias * scale + shift
        images = _images(given, self.conv, size)
        weight = _laid_out(weight, size)
        return Value(convolve(self.conv, images, weight, bias, size.n_candidates))


@dataclass(frozen=True, eq=False)
class GroupGradientConv:
    """A convolution whose weight gradient is taken by group instead of by neuron."""

    conv: Conv
    weight: LayerParameter
    bias: LayerParameter

    def __call__(self, given: Any, parameters: CandidateParameters, size: Size) -> Value:
        """Return the output of every candidate."""
        block = self.weight.block
        assert block is not None
        ties = parameters.blocks[block].ties
        assert ties is not None
        weight, images = _laid_out(parameters.value(block), size), _images(given, self.conv, size)
        bias = None if self.bias.block is None else parameters.rows[self.bias.block]
        fixed = self.bias.full(parameters, size)
        full = weight, None if fixed is None else fixed.detach()
        return Value(convolve_groups(self.conv, images, full, parameters.rows[block], ties, bias))


@dataclass(frozen=True, eq=False)
class BatchedLinear:
    """A linear layer on inputs that differ between candidates."""

    weight: LayerParameter
    bias: LayerParameter

    def __call__(self, given: Any, parameters: CandidateParameters, size: Size) -> Value:
        """Return the output of every candidate."""
        weight, bias = self.weight.tensor(parameters, size), self.bias.full(parameters, size)
        features = side_by_side(given, size)
        if size.n_candidates == 1:
            return Value(F.linear(features, weight, bias))
        weights = weight.unflatten(0, (size.n_candidates, -1)).transpose(1, 2)
        found = torch.bmm(split_candidates(features, size).transpose(0, 1), weights)
        flat = found.transpose(0, 1).flatten(1)
        return Value(flat if bias is None else flat + bias)


@dataclass(frozen=True, eq=False)
class BatchedNorm:
    """A batch norm with frozen statistics: a scale and a shift of each channel."""

    norm: nn.modules.batchnorm._BatchNorm
    weight: LayerParameter
    bias: LayerParameter
    statistics: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def affine(self, parameters: CandidateParameters, size: Size) -> tuple[Tensor, Tensor]:
        """Return scale and shift, shape (C * channels,) each."""
        weight, bias = self.weight.full(parameters, size), self.bias.full(parameters, size)
        inverse, mean = self._statistics(size.n_candidates)
        scale = inverse if weight is None else weight * inverse
        shift = -mean * scale if bias is None else torch.addcmul(bias, mean, scale, value=-1)
        return scale, shift

    def _statistics(self, n_candidates: int) -> tuple[Tensor, Tensor]:
        if n_candidates not in self.statistics:
            mean, variance = self.norm.running_mean, self.norm.running_var
            assert mean is not None
            assert variance is not None
            # Training uses them too, even where they were first computed without gradients.
            with torch.inference_mode(False):
                inverse = torch.rsqrt(variance + self.norm.eps)
                each = inverse.repeat(n_candidates), mean.repeat(n_candidates)
            self.statistics[n_candidates] = each
        return self.statistics[n_candidates]

    def __call__(self, given: Any, parameters: CandidateParameters, size: Size) -> Value:
        """Return the output of every candidate."""
        scale, shift = self.affine(parameters, size)
        if isinstance(given, Value) and given.rows:
            inner = (-1, *[1] * (given.tensor.ndim - 1))
            scaled = torch.addcmul(shift.view(inner), given.tensor, scale.view(inner))
            return Value(scaled, rows=True)
        values = side_by_side(given, size)
        scale, shift = _per_channel(scale, values), _per_channel(shift, values)
        return Value(torch.addcmul(shift, values, scale))


@dataclass(frozen=True, eq=False)
class BatchedHead:
    """The new head on features that differ between candidates; with a ReLU before it, if folded."""

    head: Head
    weight: LayerParameter
    bias: LayerParameter
    relu: bool = False

    def __call__(self, given: Any, parameters: CandidateParameters, size: Size) -> Value:
        """Return the output of every candidate."""
        weight, bias = self.weight.tensor(parameters, size), self.bias.tensor(parameters, size)
        weight = weight.view(size.n_candidates, -1, weight.shape[-1])
        bias = bias.view(size.n_candidates, -1, 1)
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
            return pooled.view(size.n_candidates, -1, rows.shape[1]), rows.ndim
        whole = side_by_side(given, size)
        return split_candidates(self.head._pool(whole), size).permute(1, 2, 0), whole.ndim


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
class SingleCandidateLayer:
    """Any other layer with trained parameters, for one candidate at a time."""

    module: nn.Module
    parameters: dict[str, LayerParameter]
    node: fx.Node

    def call(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], parameters: CandidateParameters
    ) -> Value:
        """Run the module with the parameters of one candidate."""
        size = Size(1, 0)
        values = {name: one.tensor(parameters, size) for name, one in self.parameters.items()}
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
