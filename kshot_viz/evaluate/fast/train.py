"""Train a chunk of candidates on one episode, all in step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from kshot_viz.evaluate.fast.candidate_plan import Lane
from kshot_viz.evaluate.fast.forward import Program
from kshot_viz.evaluate.fast.optimizer import Stepper
from kshot_viz.evaluate.fast.parameters import Shifts
from kshot_viz.evaluate.fast.split import Frozen, Tail
from kshot_viz.methods.loss import cross_entropy


class Chunk:
    """Some candidates of one episode, trained together.

    Parameters
    ----------
    tail : Tail
    lanes : sequence of Lane
        With the same optimizer and number of steps.
    support : Frozen
    targets : Tensor of int64, shape (N,)
    """

    def __init__(self, tail: Tail, lanes: Sequence[Lane], support: Frozen, targets: Tensor) -> None:
        self._program = Program(tail, lanes, support)
        self._support, self._targets = support, targets
        self._shifts = Shifts(self._program.blocks)
        self._stepper = Stepper(self._shifts, [lane.config for lane in lanes])
        self._steps = lanes[0].config.steps
        self._written_out = self._program.two_layers(targets)

    def states(self, pauses: Collection[int] = ()) -> Iterator[tuple[int, Tensor]]:
        """Train, and yield (steps taken, losses of shape (C,)) at every state passed.

        Between two states the candidates may be asked. A candidate whose loss is not finite goes
        on without touching the others.

        Parameters
        ----------
        pauses : collection of int
            Steps at which candidates may be dropped, and nothing but their rows is held: the pass
            is made again afterwards.
        """
        for step in range(self._steps + 1):
            if step in pauses:
                with torch.no_grad():
                    losses, _ = self._losses()
                yield step, losses
                losses, gradients = self._losses() if step < self._steps else (losses, ())
            else:
                losses, gradients = self._losses()
                yield step, losses.detach()
            if step < self._steps:
                self._stepper.step(gradients or self._gradients(losses))

    def accuracies(self) -> Tensor:
        """Return every candidate's share of support images it knows, shape (C,)."""
        hits = self.logits(self._support).argmax(dim=1) == self._targets
        return hits.double().mean(dim=1)

    def logits(self, frozen: Frozen) -> Tensor:
        """Return the logits of every candidate for other images, shape (C, classes, N)."""
        with torch.inference_mode():
            return self._program.logits(self._shifts, frozen)

    def keep(self, lanes: Sequence[int]) -> None:
        """Go on with some of the candidates, by their present places; only at a pause."""
        chosen = torch.tensor(lanes, device=self._targets.device)
        self._shifts = self._stepper.keep(chosen)

    def _gradients(self, losses: Tensor) -> Sequence[Tensor]:
        # Zeros for parameters that the network holds but does not use.
        return torch.autograd.grad(losses.sum(), self._shifts.rows, materialize_grads=True)

    def _losses(self) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the losses, and the gradients where they come along."""
        if self._written_out is not None:
            return self._written_out.descend(self._shifts)
        logits = self._program.logits(self._shifts, self._support)
        return cross_entropy(logits, self._targets), ()
