"""The shared-gradient rule: one averaged gradient per group of neurons."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.labels import checked


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
        self._sizes = torch.bincount(self._index)
        self._mean = reduce == "mean"

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the group means of any tensor of the layer, whatever ``reduce`` is."""
        return self._shared(tensor, mean=True)

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the shared gradient; equal in every bit within a group."""
        return self._shared(gradient, mean=self._mean)

    def _shared(self, gradient: Tensor, *, mean: bool) -> Tensor:
        if gradient.shape[0] != self._index.numel():
            raise KShotValueError(
                f"The gradient has {gradient.shape[0]} neurons, the labels {self._index.numel()}."
            )
        shared = self._sums(gradient)
        if mean:
            sizes = self._sizes.to(gradient.dtype)
            shared = shared / sizes.view(-1, *[1] * (gradient.dim() - 1))
        return shared[self._index]

    def _sums(self, gradient: Tensor) -> Tensor:
        if gradient.is_cuda:
            # index_add on a GPU adds in an order that changes from run to run.
            onehot = torch.nn.functional.one_hot(self._index, self._sizes.numel())
            return torch.tensordot(onehot.to(gradient.dtype), gradient, dims=([0], [0]))
        sums = gradient.new_zeros(self._sizes.numel(), *gradient.shape[1:])
        return sums.index_add_(0, self._index, gradient)


def average_gradient(gradient: Tensor, labels: ArrayLike) -> Tensor:
    """Average a gradient inside groups.

    Parameters
    ----------
    gradient : Tensor, shape (neurons, ...)
    labels : array_like of int, shape (neurons,)

    Returns
    -------
    Tensor of the same shape
    """
    return Ties(labels, device=gradient.device)(gradient)
