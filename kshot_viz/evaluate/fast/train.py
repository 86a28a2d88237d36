"""Train a chunk of candidates on one episode, all in step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kshot_viz.evaluate.fast.candidate_plan import CandidatePlan
from kshot_viz.evaluate.fast.forward import BatchedForward
from kshot_viz.evaluate.fast.parameters import BatchedOptimizer, CandidateParameters
from kshot_viz.evaluate.fast.split import FrozenFeatures, TrainedPart
from kshot_viz.methods.loss import cross_entropy


class Chunk:
    """Some candidates of one episode, trained together.

    Parameters
    ----------
    part : TrainedPart
    plans : sequence of CandidatePlan
        With the same optimizer and number of steps.
    support : FrozenFeatures
    targets : Tensor of int64, shape (N,)
    """

    def __init__(
        self,
        part: TrainedPart,
        plans: Sequence[CandidatePlan],
        support: FrozenFeatures,
        targets: Tensor,
    ) -> None:
        self._forward = BatchedForward(part, plans, support)
        self._support, self._targets = support, targets
        self._parameters = CandidateParameters(self._forward.blocks)
        self._optimizer = BatchedOptimizer(self._parameters, [plan.config for plan in plans])
        self._steps = plans[0].config.steps
        self._two_layers = self._forward.two_layers(targets)

    def states(self) -> Iterator[tuple[int, Tensor]]:
        """Train, and yield (steps taken, losses of shape (C,)) at every state passed.

        Between two states the candidates may be evaluated. A candidate whose loss is not finite
        goes on without changing the others.
        """
        for step in range(self._steps + 1):
            losses, gradients = self._losses()
            yield step, losses.detach()
            if step < self._steps:
                self._optimizer.step(gradients or self._gradients(losses))

    def accuracies(self) -> Tensor:
        """Return every candidate's accuracy on the support images, shape (C,)."""
        hits = self.logits(self._support).argmax(dim=1) == self._targets
        return hits.double().mean(dim=1)

    def logits(self, frozen: FrozenFeatures) -> Tensor:
        """Return the logits of every candidate for other images, shape (C, classes, N)."""
        with torch.inference_mode():
            return self._forward.logits(self._parameters, frozen)

    def _gradients(self, losses: Tensor) -> Sequence[Tensor]:
        # Zeros for parameters that the network holds but does not use.
        return torch.autograd.grad(losses.sum(), self._parameters.rows, materialize_grads=True)

    def _losses(self) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the losses, and the gradients where they come along."""
        if self._two_layers is not None:
            return self._two_layers.losses_and_gradients(self._parameters)
        logits = self._forward.logits(self._parameters, self._support)
        return cross_entropy(logits, self._targets), ()
