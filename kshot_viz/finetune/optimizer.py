"""One update: decay towards the start, shared gradients, then torch's own optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.finetune.slots import Slot


class TiedOptimizer:
    """Steps all slots; members of a group get the same step, bit for bit.

    The pull towards the start is shared too: ``W - W0`` of two members differs by rounding, and
    Adam would blow such a difference up to a full step wherever the gradient is tiny.
    """

    def __init__(self, slots: Sequence[Slot], config: FinetuneConfig) -> None:
        self._slots, self._config = slots, config
        self._decoupled = config.optimizer == "adamw"
        groups = [{"params": [slot.parameter], "lr": slot.lr} for slot in slots]
        # AdamW without decay is Adam; its decay towards the start is applied here.
        self._optimizer: torch.optim.Optimizer | None = None
        if groups and config.optimizer == "sgd":
            self._optimizer = torch.optim.SGD(groups, lr=0.0, momentum=config.momentum)
        elif groups:
            self._optimizer = torch.optim.Adam(groups, lr=0.0)

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        """Update the parameters by the gradient of ``loss``."""
        if self._optimizer is None:
            return
        gradients = torch.autograd.grad(loss, [s.parameter for s in self._slots], allow_unused=True)
        for slot, gradient in zip(self._slots, gradients, strict=True):
            whole = torch.zeros_like(slot.parameter) if gradient is None else gradient
            slot.parameter.grad = self._shared(slot, whole)
        self._optimizer.step()

    def _shared(self, slot: Slot, gradient: Tensor) -> Tensor:
        shared = gradient if slot.ties is None else slot.ties(gradient)
        decay = self._config.weight_decay
        if not decay:
            return shared
        pull = slot.parameter - slot.start
        pull = pull if slot.ties is None else slot.ties.mean(pull)
        if not self._decoupled:
            return shared.add(pull, alpha=decay)
        slot.parameter.sub_(pull, alpha=slot.lr * decay)
        return shared
