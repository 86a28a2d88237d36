"""Convolutions of several candidates, and gradients taken by group instead of by neuron."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kshot_viz.evaluate.fast.batched_ties import BatchedTies

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d


def convolve(
    conv: Conv, images: Tensor, weight: Tensor, bias: Tensor | None, n_candidates: int
) -> Tensor:
    """Run the convolution of every candidate, as one.

    Parameters
    ----------
    images : Tensor, shape (N, C * channels, ...)
        Or (N, channels, ...) where all candidates see the same.
    weight : Tensor, shape (C * neurons, channels, ...)
    bias : Tensor, shape (C * neurons,), or None

    Returns
    -------
    Tensor, shape (N, C * neurons, ...)
    """
    if n_candidates == 1 and _is_product(conv, images):
        # The library's own 1 x 1 convolution goes image by image.
        pixels = F.linear(images.movedim(1, -1), weight.flatten(1), bias)
        return pixels.movedim(-1, 1)
    if n_candidates == 1:
        return conv._conv_forward(images, weight, bias)
    operation = (torch.conv1d, torch.conv2d, torch.conv3d)[images.ndim - 3]
    return operation(
        images,
        weight,
        bias,
        conv.stride,
        conv.padding,
        conv.dilation,
        _groups(conv, images, n_candidates),
    )


def convolve_groups(
    conv: Conv,
    images: Tensor,
    full: tuple[Tensor, Tensor | None],
    rows: Tensor,
    ties: BatchedTies,
    bias_rows: Tensor | None,
) -> Tensor:
    """As ``convolve``, differentiable by one row a group instead of by every neuron.

    The output's gradient is summed over the members of each group first, so the weight gradient
    takes groups / neurons of the work.

    Parameters
    ----------
    full : tuple
        Weight and bias, without gradients.
    rows : Tensor, shape (C, groups, channels * positions)
    bias_rows : Tensor, shape (C, groups, 1), or None
    """
    return _GroupConv.apply(images, *full, rows, bias_rows, conv, ties)


def _is_product(conv: Conv, images: Tensor) -> bool:
    """Return whether a convolution is a matrix product of pixels that lie side by side."""
    point = set(conv.kernel_size) == {1} and set(conv.stride) == {1} and conv.groups == 1
    unpadded = not isinstance(conv.padding, str) and set(conv.padding) == {0}
    pixels = images.ndim == 4 and images.is_contiguous(memory_format=torch.channels_last)
    return point and unpadded and pixels and not images.is_cuda


def _groups(conv: Conv, images: Tensor, n_candidates: int) -> int:
    return 1 if images.shape[1] == conv.in_channels else conv.groups * n_candidates


class _GroupConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        rows: Tensor,
        bias_rows: Tensor | None,
        conv: Conv,
        ties: BatchedTies,
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.conv, ctx.ties, ctx.shape = conv, ties, rows.shape
        ctx.product = len(ties.labels) == 1 and _is_product(conv, images)
        if ctx.product:
            return _product(images, weight, bias)
        return convolve(conv, images, weight, bias, len(ties.labels))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        images, weight = ctx.saved_tensors
        take = _product_gradients if ctx.product else _conv_gradients
        by_image, by_group, summed = take(ctx, images, weight, gradients[0])
        by_bias = None
        if ctx.needs_input_grad[4]:
            by_bias = summed.flatten(0, -2).sum(0)[: by_group.shape[0]].view(*ctx.shape[:2], 1)
        return by_image, None, None, by_group.reshape(ctx.shape), by_bias, None, None


def _product(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return a 1 x 1 convolution as a tensor of its own, so that a ReLU may work on it in place."""
    shape = (len(images), len(weight), *images.shape[2:])
    found = torch.empty(shape, dtype=images.dtype, memory_format=torch.channels_last)
    pixels, out = images.movedim(1, -1).flatten(0, -2), found.movedim(1, -1).view(-1, shape[1])
    if bias is None:
        torch.mm(pixels, weight.flatten(1).t(), out=out)
    else:
        torch.addmm(bias, pixels, weight.flatten(1).t(), out=out)
    return found


def _product_gradients(
    ctx: Any, images: Tensor, weight: Tensor, gradient: Tensor
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return gradients by images and by group of a 1 x 1 convolution, and sums, channels last."""
    last, pixels = gradient.movedim(1, -1), images.movedim(1, -1).flatten(0, -2)
    # Empty groups go along: a product of few rows takes longer than one of ``COLUMNS``.
    summed = ctx.ties.padded_sums(last)
    by_group = (summed.flatten(0, -2).t() @ pixels)[: ctx.ties.groups]
    by_image = None
    if ctx.needs_input_grad[0]:
        by_image = torch.matmul(last, weight.flatten(1)).movedim(-1, 1)
    return by_image, by_group, summed


def _conv_gradients(
    ctx: Any, images: Tensor, weight: Tensor, gradient: Tensor
) -> tuple[Tensor | None, Tensor, Tensor]:
    """As ``_product_gradients``, of any convolution."""
    conv, summed = ctx.conv, ctx.ties.channel_sums(gradient)
    settings = (conv.stride, conv.padding, conv.dilation, False, [0] * len(conv.stride))
    groups = _groups(conv, images, len(ctx.ties.labels))
    backward = torch.ops.aten.convolution_backward
    by_image = None
    if ctx.needs_input_grad[0]:
        mask = [True, False, False]
        by_image = backward(gradient, images, weight, None, *settings, groups, mask)[0]
    like, mask = weight[: summed.shape[1]], [False, True, False]
    by_group = backward(summed, images, like, None, *settings, groups, mask)[1]
    return by_image, by_group, summed.movedim(1, -1)
