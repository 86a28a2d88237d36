"""The trained parameters of all candidates: for every tensor, one row of values a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kshot_viz.evaluate.fast.batched_ties import BatchedTies


@dataclass(frozen=True, eq=False)
class ParameterBlock:
    """The trained rows of one tensor.

    Attributes
    ----------
    parameter : int
        Id of the parameter.
    start : Tensor, shape (neurons, ...)
        The pretrained parameter.
    ties : BatchedTies or None
        None: every neuron is its own group.
    lr : Tensor, shape (C,)
        Step size of each candidate; 0 where the parameter is frozen.
    width : int
        Entries of a row.
    whole : bool
        The rows are the parameter itself, not its change from the start: an untied parameter needs
        no addition at every step.
    """

    parameter: int
    start: Tensor
    ties: BatchedTies | None
    lr: Tensor
    width: int
    whole: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Candidates, rows, entries."""
        rows = self.neurons if self.ties is None else self.ties.groups
        return len(self.lr), rows, self.width

    @property
    def neurons(self) -> int:
        """Length of the parameter's first axis; a single number counts as one."""
        return self.start.shape[:1].numel()

    @property
    def origin(self) -> Tensor:
        """The initial rows, which weight decay pulls towards; shape (1, rows, entries) or less."""
        if self.whole:
            return self.start.view(1, self.neurons, self.width)
        return self.start.new_zeros(1, 1, 1)

    def full(self, rows: Tensor, *, gradient: bool = True) -> Tensor:
        """Return the parameter of every candidate, shape (C * neurons, ...)."""
        count, shape = len(self.lr), self.start.shape
        if self.whole:
            return rows.view(shape if count == 1 else (count * shape[0], *shape[1:]))
        flat = rows.view(-1, self.width)
        if self.ties is None:
            return (flat.view(count, *shape) + self.start).flatten(0, 1)
        return (self.ties.spread if gradient else self.ties.spread_detached)(flat, self.start)


class CandidateParameters:
    """The rows of all blocks, side by side in one vector, so that a step is a few operations.

    Attributes
    ----------
    flat : Tensor, shape (entries,)
    rows : list of Tensor
        Leaves to differentiate by, (C, rows, width) each: views of ``flat``.
    """

    def __init__(self, blocks: Sequence[ParameterBlock]) -> None:
        self.blocks = list(blocks)
        self._sizes = [torch.Size(one.shape).numel() for one in self.blocks]
        self.flat = self.origin()
        self.rows = self.views(self.flat)
        for leaf in self.rows:
            leaf.requires_grad_()

    @property
    def n_candidates(self) -> int:
        """Number of candidates."""
        return len(self.blocks[0].lr)

    def full(self, index: int) -> Tensor:
        """Return the parameter of a block for every candidate, shape (C * neurons, ...)."""
        return self.blocks[index].full(self.rows[index])

    def value(self, index: int) -> Tensor:
        """As ``full``, without a gradient."""
        return self.blocks[index].full(self.rows[index].detach(), gradient=False)

    def views(self, flat: Tensor) -> list[Tensor]:
        """Return the part of each block of a vector like ``flat``."""
        parts = zip(flat.detach().split(self._sizes), self.blocks, strict=True)
        return [part.view(block.shape).detach() for part, block in parts]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return one vector out of something of each block's shape, or one that broadcasts."""
        shapes = zip(parts, self.blocks, strict=True)
        return torch.cat([part.expand(block.shape).reshape(-1) for part, block in shapes])

    def origin(self) -> Tensor:
        """Return the initial value of every entry."""
        return self.join([one.origin for one in self.blocks])

    def step_sizes(self) -> Tensor:
        """Return the step size of every entry."""
        return self.join([one.lr.view(-1, 1, 1) for one in self.blocks])

    def gradient_scales(self) -> Tensor | None:
        """Return what the summed gradient of every entry is multiplied by; None if by nothing."""
        if all(one.ties is None for one in self.blocks):
            return None
        return self.join([_gradient_scale(one) for one in self.blocks])

    def each(self, per_candidate: Tensor) -> Tensor:
        """Return a candidate's value at every entry of it."""
        return self.join([per_candidate.view(-1, 1, 1)] * len(self.blocks))


def _gradient_scale(block: ParameterBlock) -> Tensor:
    if block.ties is None:
        return block.start.new_ones(1, 1, 1)
    return block.ties.gradient_scale(block.start.dtype).unsqueeze(-1)
