"""The shared-gradient rule, and the optimizer that applies it: one averaged gradient per group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.labels import checked
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.slots import Slot


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


class TiedOptimizer:
    """Steps all slots; members of a group get the same step, bit for bit.

    The pull towards the start is shared too: ``W - W0`` of two members differs by rounding, and
    Adam would blow such a difference up to a full step wherever the gradient is tiny.
    """

    def __init__(self, slots: Sequence[Slot], config: FinetuneConfig) -> None:
        self._slots, self._config = list(slots), config
        self._names = [slot.name for slot in slots]
        self._decoupled = config.optimizer == "adamw"
        self._starts = [slot.parameter.detach().clone() for slot in slots]
        self._ties = [
            None
            if slot.labels is None
            else Ties(slot.labels, reduce=config.reduce, device=slot.parameter.device)
            for slot in slots
        ]
        groups = [{"params": [slot.parameter], "lr": slot.lr} for slot in slots]
        # AdamW without decay is Adam; its decay towards the start is applied here.
        self._optimizer: torch.optim.Optimizer | None = None
        if groups and config.optimizer == "sgd":
            self._optimizer = torch.optim.SGD(groups, lr=0.0, momentum=config.momentum)
        elif groups:
            self._optimizer = torch.optim.Adam(groups, lr=0.0)

    @property
    def lr(self) -> dict[str, float]:
        """The step size of every slot by its name."""
        return {slot.name: slot.lr for slot in self._slots}

    @torch.no_grad()
    def step(self, loss: Tensor, lr: Mapping[str, float]) -> None:
        """Update the parameters by the gradient of ``loss``, with these step sizes."""
        if self._optimizer is None:
            return
        for name in lr:
            if name not in self._names:
                raise unknown_name("step.lr", name, self._names)
        moving = [index for index, slot in enumerate(self._slots) if lr[slot.name]]
        if not moving:
            return
        for slot in self._slots:
            # Without a gradient it stays as it is, and so does its momentum.
            slot.parameter.grad = None
        parameters = [self._slots[index].parameter for index in moving]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for index, gradient in zip(moving, gradients, strict=True):
            slot = self._slots[index]
            self._optimizer.param_groups[index]["lr"] = rate = lr[slot.name]
            whole = torch.zeros_like(slot.parameter) if gradient is None else gradient
            slot.parameter.grad = self._shared(index, whole, rate)
        self._optimizer.step()

    def _shared(self, index: int, gradient: Tensor, lr: float) -> Tensor:
        parameter, ties = self._slots[index].parameter, self._ties[index]
        shared = gradient if ties is None else ties(gradient)
        decay = self._config.weight_decay
        if not decay:
            return shared
        pull = parameter - self._starts[index]
        pull = pull if ties is None else ties.mean(pull)
        if not self._decoupled:
            return shared.add(pull, alpha=decay)
        parameter.sub_(pull, alpha=lr * decay)
        return shared
