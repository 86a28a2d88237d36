"""The optimizer that applies the shared-gradient rule: one averaged gradient per group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

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
        self._rules = [_rule(slot.parameter, config) for slot in slots]

    @property
    def lr(self) -> dict[str, float]:
        """The step size of every slot by its name."""
        return {slot.name: slot.lr for slot in self._slots}

    @torch.no_grad()
    def step(self, loss: Tensor, lr: Mapping[str, float]) -> None:
        """Update the parameters by the gradient of ``loss``, with these step sizes."""
        moving = [index for index, slot in enumerate(self._slots) if lr[slot.name]]
        if not moving:
            return
        parameters = [self._slots[index].parameter for index in moving]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        # Without a step size a parameter stays as it is, and so does its momentum.
        for index, parameter, gradient in zip(moving, parameters, gradients, strict=True):
            rate = lr[self._slots[index].name]
            whole = torch.zeros_like(parameter) if gradient is None else gradient
            self._rules[index].step(self._shared(index, whole, rate), rate)

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


# These are the functions behind torch's optimizers. Their classes import torch's compiler when the
# first one is made, which takes seconds.


class _Momentum:
    """Gradient descent of one parameter, with momentum."""

    def __init__(self, parameter: Tensor, momentum: float) -> None:
        self._parameter, self._momentum = parameter, momentum
        self._buffers: list[Tensor | None] = [None]

    def step(self, gradient: Tensor, lr: float) -> None:
        """Move the parameter against the gradient."""
        sgd(
            [self._parameter],
            [gradient],
            self._buffers,
            weight_decay=0.0,
            momentum=self._momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )


class _Adam:
    """Adam for one parameter; of AdamW the decay is the pull of :class:`TiedOptimizer`."""

    def __init__(self, parameter: Tensor) -> None:
        self._parameter = parameter
        self._mean, self._square = torch.zeros_like(parameter), torch.zeros_like(parameter)
        self._steps = torch.zeros((), dtype=torch.float32)

    def step(self, gradient: Tensor, lr: float) -> None:
        """Move the parameter against the gradient."""
        adam(
            [self._parameter],
            [gradient],
            [self._mean],
            [self._square],
            [],
            [self._steps],
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


def _rule(parameter: Tensor, config: FinetuneConfig) -> _Momentum | _Adam:
    return _Momentum(parameter, config.momentum) if config.optimizer == "sgd" else _Adam(parameter)


def _share(slot: Slot, config: FinetuneConfig) -> Share | None:
    """Return how the gradient of a slot is shared, or None."""
    if slot.share is not None or slot.labels is None:
        return slot.share
    return Ties(slot.labels, reduce=config.reduce, device=slot.parameter.device)
