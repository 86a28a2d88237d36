"""The optimizer that applies the shared-gradient rule: one averaged gradient per group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.sharing.ties import Share, Ties
from kshot_viz.methods.slots import Slot


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
        self._decoupled = config.optimizer == "adamw"
        self._starts = [slot.parameter.detach().clone() for slot in slots]
        self._shares = [_share(slot, config) for slot in slots]
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
        parameter, share = self._slots[index].parameter, self._shares[index]
        shared = gradient if share is None else share(gradient)
        decay = self._config.weight_decay
        if not decay:
            return shared
        pull = parameter - self._starts[index]
        pull = pull if share is None else share.pull(pull)
        if not self._decoupled:
            return shared.add(pull, alpha=decay)
        parameter.sub_(pull, alpha=lr * decay)
        return shared


def _share(slot: Slot, config: FinetuneConfig) -> Share | None:
    """Return how the gradient of a slot is shared, or None."""
    if slot.share is not None or slot.labels is None:
        return slot.share
    return Ties(slot.labels, reduce=config.reduce, device=slot.parameter.device)
