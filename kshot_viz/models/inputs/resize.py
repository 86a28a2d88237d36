"""Bring a batch of images to the square that a network sees."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn.functional import interpolate


class Fit(Protocol):
    """The part of a ``Preprocess`` that decides the size."""

    @property
    def size(self) -> int | None: ...  # noqa: D102
    @property
    def resize(self) -> str: ...  # noqa: D102
    @property
    def short_side(self) -> int | None: ...  # noqa: D102
    @property
    def antialias(self) -> bool: ...  # noqa: D102
    @property
    def interpolation(self) -> str: ...  # noqa: D102


def fit(batch: Tensor, how: Fit) -> Tensor:
    """Stretch or crop (N, C, H, W) to (N, C, size, size); ``size=None`` returns it unchanged."""
    if how.size is None:
        return batch
    if how.resize == "stretch":
        return _resample(batch, (how.size, how.size), how)
    target = _short_side_to(batch, how.short_side or how.size)
    return _centre(_resample(batch, target, how), how.size)


def _short_side_to(batch: Tensor, px: int) -> tuple[int, int]:
    """Return the height and width whose shorter one is ``px``, cut off as torchvision does."""
    height, width = batch.shape[2:]
    if height <= width:
        return px, int(px * width / height)
    return int(px * height / width), px


def _resample(batch: Tensor, target: tuple[int, int], how: Fit) -> Tensor:
    if tuple(batch.shape[2:]) == target:
        return batch
    resampled = interpolate(
        batch, target, mode=how.interpolation, align_corners=False, antialias=how.antialias
    )
    # Bicubic weights are negative in places and overshoot the range of the pixels.
    return resampled.clamp(0.0, 1.0)


def _centre(batch: Tensor, px: int) -> Tensor:
    top, left = (round((side - px) / 2) for side in batch.shape[2:])
    return batch[:, :, top : top + px, left : left + px]
