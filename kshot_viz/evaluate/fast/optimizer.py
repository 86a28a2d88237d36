"""One update of all candidates: torch's SGD, Adam and AdamW, with decay towards the start."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kshot_viz.evaluate.fast.parameters import Shifts
from kshot_viz.methods.config import FinetuneConfig

BETAS, EPS = (0.9, 0.999), 1e-8


class Stepper:
    """Updates the rows of all candidates in place.

    Parameters
    ----------
    shifts : Shifts
    configs : sequence of FinetuneConfig
        One a candidate; all with the same optimizer.
    """

    def __init__(self, shifts: Shifts, configs: Sequence[FinetuneConfig]) -> None:
        self._shifts, self._configs = shifts, list(configs)
        self._kind = configs[0].optimizer
        self._taken = 0
        self._memory = [torch.zeros_like(shifts.flat) for _ in range(1 if self._sgd else 2)]
        self._settle()

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Take one step along the summed gradients of all blocks."""
        flat = self._shifts.flat
        gradient = torch.cat([one.reshape(-1) for one in gradients])
        if self._shares is not None:
            gradient.mul_(self._shares)
        if self._origin is not None:
            pull = (flat - self._origin).mul_(self._decay)
            if self._kind == "adamw":
                flat.addcmul_(pull, self._rates, value=-1)
            else:
                gradient.add_(pull)
        self._taken += 1
        (self._sgd_step if self._sgd else self._adam_step)(gradient)

    def keep(self, lanes: Tensor) -> Shifts:
        """Go on with some of the candidates."""
        old = self._shifts
        blocks, flat = old.keep(lanes, old.flat)
        self._memory = [old.keep(lanes, one)[1] for one in self._memory]
        self._configs = [self._configs[i] for i in lanes.tolist()]
        self._shifts = Shifts(blocks, flat)
        self._settle()
        return self._shifts

    @property
    def _sgd(self) -> bool:
        return self._kind == "sgd"

    def _settle(self) -> None:
        """Spread what candidates differ in over the entries."""
        self._rates, self._shares = self._shifts.rates(), self._shifts.shares()
        self._momentum, self._decay = self._each("momentum"), self._each("weight_decay")
        decays = any(one.weight_decay for one in self._configs)
        self._origin = self._shifts.origin() if decays else None

    def _each(self, name: str) -> Tensor | float:
        values = [getattr(one, name) for one in self._configs]
        if len(set(values)) == 1:
            return float(values[0])
        return self._shifts.each(self._shifts.flat.new_tensor(values))

    def _sgd_step(self, gradient: Tensor) -> None:
        velocity = self._memory[0].mul_(self._momentum).add_(gradient)
        self._shifts.flat.addcmul_(velocity, self._rates, value=-1)

    def _adam_step(self, gradient: Tensor) -> None:
        first, second = self._memory
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        seen_first, seen_second = (1 - beta**self._taken for beta in BETAS)
        spread = second.sqrt().div_(seen_second**0.5).add_(EPS)
        self._shifts.flat.sub_(first.div(spread).mul_(self._rates).div_(seen_first))
