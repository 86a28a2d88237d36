"""The weight gradient of a convolution taken by group instead of by neuron."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from kshot_viz.finetune.fast.lanes import Lanes

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d


def convolve(conv: Conv, images: Tensor, weight: Tensor, bias: Tensor | None, lanes: int) -> Tensor:
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
    if lanes == 1:
        return conv._conv_forward(images, weight, bias)
    operation = (torch.conv1d, torch.conv2d, torch.conv3d)[images.ndim - 3]
    return operation(
        images, weight, bias, conv.stride, conv.padding, conv.dilation, _groups(conv, images, lanes)
    )


def convolve_groups(
    conv: Conv, images: Tensor, weight: Tensor, rows: Tensor, tied: Lanes
) -> Tensor:
    """As ``convolve``, differentiable by the rows (C * groups, ...), not by ``weight``.

    The output's gradient is summed over the members of each group first, so the weight gradient
    takes groups / neurons of the work.
    """
    return _GroupConv.apply(images, weight, rows, conv, tied)


def _groups(conv: Conv, images: Tensor, lanes: int) -> int:
    return 1 if images.shape[1] == conv.in_channels else conv.groups * lanes


class _GroupConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, rows: Tensor, conv: Conv, tied: Lanes
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.conv, ctx.tied, ctx.shape = conv, tied, rows.shape
        return convolve(conv, images, weight, None, len(tied.labels))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        images, weight = ctx.saved_tensors
        conv, tied = ctx.conv, ctx.tied
        settings = (conv.stride, conv.padding, conv.dilation, False, [0] * len(conv.stride))
        groups = _groups(conv, images, len(tied.labels))
        gradient, by_image = gradients[0], None
        if ctx.needs_input_grad[0]:
            by_image = torch.ops.aten.convolution_backward(
                gradient, images, weight, None, *settings, groups, [True, False, False]
            )[0]
        summed = tied.channel_sums(gradient)
        like = weight[: summed.shape[1]]
        by_group = torch.ops.aten.convolution_backward(
            summed, images, like, None, *settings, groups, [False, True, False]
        )[1]
        return by_image, None, by_group.reshape(ctx.shape), None, None
