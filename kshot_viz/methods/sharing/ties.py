"""The shared-gradient rule: one averaged gradient per group, alone or mixed with the neuron's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from kshot_viz.checks import check, text
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.labels import checked
from kshot_viz.methods.options import check_share

SCALES = ("none", "root", "norm")


class Share(Protocol):
    """How the neurons of one parameter share their gradient, and the pull of weight decay."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the gradient that is used instead of a parameter's own, of the same shape."""

    def pull(self, difference: Tensor) -> Tensor:
        """Return what weight decay uses instead of ``W - W0``, of the same shape."""


class Ties:
    """Replaces every neuron's gradient by its group's mean (or sum).

    For a tensor whose first axis is neurons this is the product with
    ``P = M (M^T M)^-1 M^T``, where ``M`` is the 0/1 matrix neuron -> group (Yoo et al., 2018: one
    gradient per group, the average of its members'; the forward pass stays as it is).

    Parameters
    ----------
    labels : array_like of int, shape (neurons,)
        Labels 0 to groups - 1.
    reduce : {"mean", "sum"}
        ``"sum"`` leaves out the division by the group's size.
    """

    def __init__(
        self, labels: ArrayLike, *, reduce: str = "mean", device: torch.device | None = None
    ) -> None:
        self._index = torch.from_numpy(checked(labels)).to(device)
        self.sizes = torch.bincount(self._index)
        self._mean = reduce == "mean"

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the shared gradient; equal in every bit within a group."""
        return self.spread(self.rows(gradient, mean=self._mean))

    def pull(self, difference: Tensor) -> Tensor:
        """Return the group means of any tensor of the layer, whatever ``reduce`` is."""
        return self.spread(self.rows(difference))

    def rows(self, tensor: Tensor, *, mean: bool = True) -> Tensor:
        """Return the mean (or the sum) of each group: (neurons, ...) -> (groups, ...)."""
        if tensor.shape[0] != self._index.numel():
            raise KShotValueError(
                f"The gradient has {tensor.shape[0]} neurons, the labels {self._index.numel()}."
            )
        sums = self._sums(tensor)
        return sums / _each(self.sizes.to(tensor.dtype), sums) if mean else sums

    def spread(self, rows: Tensor) -> Tensor:
        """Give every neuron its group's row: (groups, ...) -> (neurons, ...)."""
        return rows[self._index]

    def _sums(self, gradient: Tensor) -> Tensor:
        if gradient.is_cuda:
            # index_add on a GPU adds in an order that changes from run to run.
            onehot = torch.nn.functional.one_hot(self._index, self.sizes.numel())
            return torch.tensordot(onehot.to(gradient.dtype), gradient, dims=([0], [0]))
        sums = gradient.new_zeros(self.sizes.numel(), *gradient.shape[1:])
        return sums.index_add_(0, self._index, gradient)


@dataclass(frozen=True)
class Mixing:
    """What a neuron is given besides, or instead of, the plain mean of its group.

    Attributes
    ----------
    own : float
        The share of its own gradient in what it is given, from 0 to 1.
    scale : {"none", "root", "norm"}
        What the group's mean gradient is multiplied by: nothing, the root of the group's size, or
        what makes it as long as the members' own gradients are on average.
    """

    own: float = 0.0
    scale: str = "none"

    def __post_init__(self) -> None:
        check_share("own", self.own)
        check("scale", self.scale, text)
        if self.scale not in SCALES:
            raise unknown_name("scale", self.scale, SCALES)


class MixedTies:
    """Replaces a gradient ``g`` by ``own * g + (1 - own) * factor * mean of its group``.

    Weight decay is pulled by ``own * d + (1 - own) * mean``, so that it is that of plain
    fine-tuning where ``own`` is 1. Lengths are those of the gradients of one parameter.
    """

    def __init__(self, ties: Ties, mixing: Mixing) -> None:
        self._ties, self._own, self._scale = ties, mixing.own, mixing.scale

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the mixed gradient."""
        if self._scale == "none":
            return self._mixed(gradient, self._ties(gradient))
        rows = self._ties.rows(gradient)
        return self._mixed(gradient, self._ties.spread(rows * self._factors(gradient, rows)))

    def pull(self, difference: Tensor) -> Tensor:
        """Return the mixed pull; no factor is part of it."""
        return self._mixed(difference, self._ties.pull(difference))

    def _mixed(self, own: Tensor, shared: Tensor) -> Tensor:
        return own * self._own + shared * (1 - self._own) if self._own else shared

    def _factors(self, gradient: Tensor, rows: Tensor) -> Tensor:
        """Return the factor of each group, of a shape that broadcasts over its row."""
        if self._scale == "root":
            return _each(self._ties.sizes.to(rows.dtype).sqrt(), rows)
        own, mean = self._ties.rows(_lengths(gradient)), _lengths(rows)
        # Members that cancel each other out have no direction to be longer in.
        return _each(torch.where(mean > 0, own / mean, torch.zeros_like(mean)), rows)


def _lengths(rows: Tensor) -> Tensor:
    return rows.reshape(len(rows), -1).norm(dim=1)


def _each(values: Tensor, rows: Tensor) -> Tensor:
    return values.view(-1, *[1] * (rows.dim() - 1))
