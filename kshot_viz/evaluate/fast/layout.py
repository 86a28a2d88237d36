"""The layout of the values of several candidates in one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Value:
    """The value of a node of the trained part for ``C`` candidates and ``N`` images.

    Attributes
    ----------
    tensor : Tensor
        (N, C * channels, ...), the candidates' channels side by side, so that one grouped
        convolution runs them all; or neurons first.
    rows : bool
        Neurons first: (C * channels, N, ...), so that groups of neurons are copied and summed as
        whole rows. Poolings and ReLUs work on both.
    """

    tensor: Tensor
    rows: bool = False


@dataclass(frozen=True)
class Size:
    """The number of candidates and images of a value, and the memory layout of its pixels."""

    n_candidates: int
    images: int
    channels_last: bool = False


def side_by_side(value: Any, size: Size) -> Tensor:
    """Return (N, C * channels, ...); a value that all candidates share is repeated."""
    if isinstance(value, Value):
        return _images_first(value.tensor, size) if value.rows else value.tensor
    if size.n_candidates == 1:
        return value
    return value.repeat(1, size.n_candidates, *[1] * (value.ndim - 2))


def split_candidates(tensor: Tensor, size: Size) -> Tensor:
    """Split the channels by candidate: (N, C * channels, ...) -> (N, C, channels, ...)."""
    return tensor.unflatten(1, (size.n_candidates, -1))


def _images_first(rows: Tensor, size: Size) -> Tensor:
    images = rows.transpose(0, 1)
    if images.ndim == 4 and size.channels_last:
        return images.contiguous(memory_format=torch.channels_last)
    return images.contiguous()
