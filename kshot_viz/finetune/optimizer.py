"""One update: decay towards the start, shared gradients, then torch's own optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from kshot_viz.finetune.ties import Ties
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.slots import Slot


class TiedOptimizer:
    """Steps all slots; members of a group get the same step, bit for bit.

    The pull towards the start is shared too: ``W - W0`` of two members differs by rounding, and
    Adam would blow such a difference up to a full step wherever the gradient is tiny.
    """

    def __init__(self, slots: Sequence[Slot], config: FinetuneConfig) -> None:
        self._slots, self._config = list(slots), config
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
        gradients = torch.autograd.grad(loss, [s.parameter for s in self._slots], allow_unused=True)
        for index, (slot, gradient) in enumerate(zip(self._slots, gradients, strict=True)):
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
