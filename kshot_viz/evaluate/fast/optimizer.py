"""Updates all candidates: torch's SGD, Adam and AdamW, with decay towards the start."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kshot_viz.evaluate.fast.parameters import CandidateParameters
from kshot_viz.methods.config import FinetuneConfig

BETAS, EPS = (0.9, 0.999), 1e-8


class BatchedOptimizer:
    """Updates the rows of all candidates in place.

    Parameters
    ----------
    parameters : CandidateParameters
    configs : sequence of FinetuneConfig
        One a candidate; all with the same optimizer.
    """

    def __init__(self, parameters: CandidateParameters, configs: Sequence[FinetuneConfig]) -> None:
        self._parameters, self._configs = parameters, configs
        self._kind = configs[0].optimizer
        self._taken = 0
        self._memory = [torch.zeros_like(parameters.flat) for _ in range(1 if self._sgd else 2)]
        self._step_sizes = parameters.step_sizes()
        self._gradient_scales = parameters.gradient_scales()
        self._momentum, self._decay = self._each("momentum"), self._each("weight_decay")
        decays = any(one.weight_decay for one in configs)
        self._origin = parameters.origin() if decays else None

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Take one step along the summed gradients of all blocks."""
        flat = self._parameters.flat
        gradient = torch.cat([one.reshape(-1) for one in gradients])
        if self._gradient_scales is not None:
            gradient.mul_(self._gradient_scales)
        if self._origin is not None:
            pull = (flat - self._origin).mul_(self._decay)
            if self._kind == "adamw":
                flat.addcmul_(pull, self._step_sizes, value=-1)
            else:
                gradient.add_(pull)
        self._taken += 1
        (self._sgd_step if self._sgd else self._adam_step)(gradient)

    @property
    def _sgd(self) -> bool:
        return self._kind == "sgd"

    def _each(self, name: str) -> Tensor | float:
        values = [getattr(one, name) for one in self._configs]
        if len(set(values)) == 1:
            return float(values[0])
        return self._parameters.each(self._parameters.flat.new_tensor(values))

    def _sgd_step(self, gradient: Tensor) -> None:
        velocity = self._memory[0].mul_(self._momentum).add_(gradient)
        self._parameters.flat.addcmul_(velocity, self._step_sizes, value=-1)

    def _adam_step(self, gradient: Tensor) -> None:
        first, second = self._memory
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        seen_first, seen_second = (1 - beta**self._taken for beta in BETAS)
        spread = second.sqrt().div_(seen_second**0.5).add_(EPS)
        self._parameters.flat.sub_(first.div(spread).mul_(self._step_sizes).div_(seen_first))
