"""Losses and gradients of the commonest small trained part, written out: grouped layer, ReLU, head.

Autograd gives the same; without it every large array is made once and written in place, and a step
of a few dozen microseconds is not half bookkeeping.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kshot_viz.evaluate.fast.batched_ties import BatchedTies
from kshot_viz.evaluate.fast.parameters import CandidateParameters


@dataclass(eq=False)
class TwoLayers:
    """A layer in inner-product form (``A K``), ReLU, and a head on its flat output.

    Attributes
    ----------
    first, weight, bias : int
        Indices of the blocks: rows of ``A``, and the head's two parameters.
    products : Tensor, shape (N, N)
        Inner products of the layer's inputs.
    start : Tensor, shape (neurons, N)
        The output of the pretrained layer.
    targets : Tensor of int64, shape (N,)
    """

    first: int
    weight: int
    bias: int
    products: Tensor
    start: Tensor
    targets: Tensor
    _active: Tensor | None = None
    _back: Tensor | None = None

    @torch.no_grad()
    def losses_and_gradients(self, parameters: CandidateParameters) -> tuple[Tensor, list[Tensor]]:
        """Return the losses, shape (C,), and the summed gradient of every block."""
        ties = parameters.blocks[self.first].ties
        assert ties is not None
        count, images = parameters.n_candidates, len(self.targets)
        weight = parameters.rows[self.weight]
        active = self._activations(parameters, ties)
        logits = torch.baddbmm(parameters.rows[self.bias], weight, active)
        logs = torch.log_softmax(logits, dim=1)
        chosen = self.targets.expand(count, 1, images)
        losses = -logs.gather(1, chosen).mean(dim=(1, 2))
        gradient = logs.exp_().scatter_add_(1, chosen, -torch.ones_like(logs[:, :1])).div_(images)
        found = [parameters.flat] * len(parameters.blocks)
        found[self.weight] = torch.bmm(gradient, active.transpose(1, 2))
        found[self.bias] = gradient.sum(dim=2, keepdim=True)
        found[self.first] = ties.sums(self._through(weight, gradient, active))
        return losses, found

    def _activations(self, parameters: CandidateParameters, ties: BatchedTies) -> Tensor:
        change = parameters.rows[self.first].flatten(0, 1) @ self.products
        self._active = _fitting(self._active, parameters.n_candidates, self.start)
        flat = self._active.flatten(0, 1)
        ties.spread_detached(change, self.start, out=flat)
        flat.relu_()
        return self._active

    def _through(self, weight: Tensor, gradient: Tensor, active: Tensor) -> Tensor:
        """Return the gradient before the ReLU, (C * neurons, N)."""
        self._back = _fitting(self._back, len(weight), self.start)
        torch.bmm(weight.transpose(1, 2), gradient, out=self._back)
        threshold = torch.ops.aten.threshold_backward.grad_input
        threshold(self._back, active, 0, grad_input=self._back)
        return self._back.flatten(0, 1)


def _fitting(buffer: Tensor | None, n_candidates: int, like: Tensor) -> Tensor:
    if buffer is not None and len(buffer) == n_candidates:
        return buffer
    return like.new_empty(n_candidates, *like.shape)
