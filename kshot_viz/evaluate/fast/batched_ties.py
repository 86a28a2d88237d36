"""Values and ties of several candidates side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
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


# Matrix products of a few columns are several times slower than of this many (measured: 6 columns
# 745 us, 16 columns 255 us for 9,610 x 64).
COLUMNS = 16


class BatchedTies:
    """The groups of one layer in each of ``C`` candidates; one row of labels a candidate.

    Candidates may differ in their number of groups: all are given the largest, and the rows of
    groups that a candidate lacks belong to no neuron and stay zero.

    Parameters
    ----------
    labels : Tensor of int64, shape (C, neurons)
    mean : Tensor of bool, shape (C,)
        Whether the candidate averages its gradients, or sums them.
    """

    def __init__(self, labels: Tensor, mean: Tensor) -> None:
        self.labels, self.mean = labels, mean
        candidates, self.neurons = labels.shape
        self.groups = int(labels.max()) + 1
        candidate = torch.arange(candidates, device=labels.device).unsqueeze(1)
        self._row = (labels + candidate * self.groups).reshape(-1)
        order = torch.argsort(labels, dim=1, stable=True)
        self._members = (order + candidate * self.neurons).reshape(-1)
        sizes = torch.bincount(self._row, minlength=candidates * self.groups)
        self._starts = sizes.cumsum(0) - sizes
        self.sizes = sizes.view(candidates, self.groups)
        self._onehot: Tensor | None = None

    def gradient_scale(self, dtype: torch.dtype) -> Tensor:
        """Return what a group's summed gradient is multiplied by, shape (C, groups)."""
        sizes = self.sizes.clamp(min=1)
        return torch.where(self.mean.unsqueeze(1), 1 / sizes.to(dtype), torch.ones_like(sizes))

    def spread(self, rows: Tensor, start: Tensor) -> Tensor:
        """Give every neuron its group's row, added to its own start.

        Parameters
        ----------
        rows : Tensor, shape (C * groups, F)
        start : Tensor, shape (neurons, ...) of F entries a neuron
            The same for all candidates; it gets no gradient.

        Returns
        -------
        Tensor, shape (C * neurons, ...)
        """
        return _Spread.apply(rows, start, self)

    def spread_detached(self, rows: Tensor, start: Tensor, *, out: Tensor | None = None) -> Tensor:
        """As ``spread``, without a gradient; written into ``out`` where given."""
        found = rows.new_empty(len(self._row), *start.shape[1:]) if out is None else out
        torch.index_select(rows, 0, self._row, out=found.view(len(found), -1))
        found.view(-1, *start.shape).add_(start)
        return found

    def sums(self, rows: Tensor) -> Tensor:
        """Sum over the members of each group: (C * neurons, F) -> (C * groups, F)."""
        return F.embedding_bag(self._members, rows, self._starts, mode="sum")

    def channel_sums(self, values: Tensor) -> Tensor:
        """Sum channels over groups: (N, C * neurons, ...) -> (N, C * groups, ...)."""
        last = values.movedim(1, -1)
        candidates = len(self.labels)
        if candidates == 1:
            return self.padded_sums(last)[..., : self.groups].movedim(-1, 1)
        split = last.reshape(-1, candidates, self.neurons).transpose(0, 1)
        members = self._members_of(values.dtype)[..., : self.groups]
        summed = torch.bmm(split, members).transpose(0, 1)
        return summed.reshape(*last.shape[:-1], -1).movedim(-1, 1)

    def padded_sums(self, last: Tensor) -> Tensor:
        """As ``channel_sums`` of one candidate, channels last, with empty groups at the end."""
        return torch.matmul(last, self._members_of(last.dtype)[0])

    def _members_of(self, dtype: torch.dtype) -> Tensor:
        """Return the 0/1 matrix neuron -> group of each candidate, with empty columns at the end.

        Returns
        -------
        Tensor, shape (C, neurons, groups rounded up to ``COLUMNS``)
        """
        if self._onehot is None:
            columns = -(-self.groups // COLUMNS) * COLUMNS
            self._onehot = F.one_hot(self.labels, columns).to(dtype)
        return self._onehot


class _Spread(torch.autograd.Function):
    """Copies rows to members; the gradient of a row is the sum over its members'."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, start: Tensor, ties: BatchedTies) -> Tensor:
        ctx.ties = ties
        return ties.spread_detached(rows, start)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        gradient = gradients[0].contiguous()
        return ctx.ties.sums(gradient.view(len(gradient), -1)), None, None
