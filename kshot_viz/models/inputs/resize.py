"""Resampling, cropping and greying of batches in [0, 1], and the joining of their parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kshot_viz.errors import KShotValueError

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def cropped(
    batch: Tensor, px: int, short_side: int, *, mode: str, antialias: bool, corner: str = "round"
) -> Tensor:
    """Scale the short side to ``short_side`` and cut a square of ``px`` out of the centre."""
    height, width = batch.shape[2:]
    # The longer side is cut off as torchvision does.
    if height <= width:
        target = short_side, int(short_side * width / height)
    else:
        target = int(short_side * height / width), short_side
    return centre(resampled(batch, target, mode=mode, antialias=antialias), px, corner)


def centre(batch: Tensor, px: int, corner: str = "round") -> Tensor:
    """Cut a square of ``px`` out of the centre.

    A corner between two pixels goes to the even one with ``"round"``, as torchvision does it, and
    to the first with ``"floor"``.
    """
    top, left = (
        (side - px) // 2 if corner == "floor" else round((side - px) / 2)
        for side in batch.shape[2:]
    )
    return batch[:, :, top : top + px, left : left + px]


def resampled(batch: Tensor, target: tuple[int, int], *, mode: str, antialias: bool) -> Tensor:
    """Bring (N, C, H, W) to another height and width."""
    if tuple(batch.shape[2:]) == target:
        return batch
    if mode == "bicubic" and antialias:
        # As Pillow: rows, then columns, each brought back into the range of the pixels, which the
        # partly negative weights overshoot.
        batch = _in_range(batch, (batch.shape[2], target[1]), mode, antialias)
    return _in_range(batch, target, mode, antialias)


def _in_range(batch: Tensor, target: tuple[int, int], mode: str, antialias: bool) -> Tensor:
    found = interpolate(batch, target, mode=mode, align_corners=False, antialias=antialias)
    return found.clamp(0.0, 1.0)


def luma(batch: Tensor) -> Tensor:
    """Turn colour into grey, (N, 1, H, W)."""
    return (batch * column(_LUMA, batch)).sum(dim=1, keepdim=True)


def column(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Return one number a channel, or one for all, in the shape of an image."""
    return like.new_tensor(values).view(1, -1, 1, 1)


def joined(parts: Iterator[Tensor], n: int, cure: str) -> Tensor:
    """Join parts to a batch of ``n`` images; only one part is held besides it.

    Parameters
    ----------
    parts : iterator of Tensor
        One or more, of the same shape but for their number of images.
    n : int
        Images of all parts together.
    cure : str
        What to do where the shapes differ, for the error.
    """
    first = next(parts)
    if len(first) == n:
        return first
    whole = torch.empty(
        (n, *first.shape[1:]),
        dtype=first.dtype,
        device=first.device,
        memory_format=_layout(first),
    )
    done = 0
    for part in chain([first], parts):
        if part.shape[1:] != whole.shape[1:]:
            sizes = f"{tuple(whole.shape[1:])} and {tuple(part.shape[1:])}"
            raise KShotValueError(f"The images have {cure.format(sizes)}")
        whole[done : done + len(part)] = part
        done += len(part)
    return whole


def _layout(part: Tensor) -> torch.memory_format:
    """Return the parts' order in memory; the last bits of a convolution depend on it."""
    last = torch.channels_last
    pixels = part.ndim == 4 and part.stride(1) == 1 and part.is_contiguous(memory_format=last)
    return last if pixels else torch.contiguous_format
