"""How values of several candidates lie in one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Value:
    """What a node of the tail computed for ``C`` candidates and ``N`` images.

    Attributes
    ----------
    tensor : Tensor
        (N, C * channels, ...), the candidates' channels side by side, so that one grouped
        convolution runs them all; or neurons first.
    rows : bool
        Neurons first: (C * channels, N, ...), so that groups of neurons are copied and summed as
        whole rows. Poolings and ReLUs do not notice.
    """

    tensor: Tensor
    rows: bool = False


@dataclass(frozen=True)
class Size:
    """How many candidates and images a value is about, and how its pixels lie."""

    lanes: int
    images: int
    channels_last: bool = False


def side_by_side(value: Any, size: Size) -> Tensor:
    """Return (N, C * channels, ...); a value that all candidates share is repeated."""
    if isinstance(value, Value):
        return _images_first(value.tensor, size) if value.rows else value.tensor
    if size.lanes == 1:
        return value
    return value.repeat(1, size.lanes, *[1] * (value.ndim - 2))


def apart(tensor: Tensor, size: Size) -> Tensor:
    """Split the channels by candidate: (N, C * channels, ...) -> (N, C, channels, ...)."""
    return tensor.unflatten(1, (size.lanes, -1))


def _images_first(rows: Tensor, size: Size) -> Tensor:
    images = rows.transpose(0, 1)
    if images.ndim == 4 and size.channels_last:
        return images.contiguous(memory_format=torch.channels_last)
    return images.contiguous()
