"""What every candidate trains: its plan, its parameters, and the optimizer of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kshot_viz.evaluate.fast.batched_ties import BatchedTies
from kshot_viz.evaluate.fast.schedule import Schedule, scheduled_sizes
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.slots import SlotPlan, labels_of

if TYPE_CHECKING:
    from kshot_viz.finetune.candidate import Candidate
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class ParameterBlock:
    """The trained rows of one tensor.

    Attributes
    ----------
    parameter : int
        Id of the parameter.
    start : Tensor, shape (neurons, ...)
        The parameter before the first step.
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


@dataclass(frozen=True, eq=False)
class CandidatePlan:
    """The settings of a candidate, and what it trains by the parameter's id.

    Attributes
    ----------
    config : FinetuneConfig
    step_sizes : mapping of int to float
        0 for a parameter that is frozen.
    labels : mapping of int to ndarray
        The group of each neuron.
    schedule : tuple of mapping
        The step sizes of each step, where the method changes them.
    starts : mapping of int to Tensor
        Initial values that are not those of the network: a head that starts from the support.
    """

    config: FinetuneConfig
    step_sizes: Mapping[int, float]
    labels: Mapping[int, Labels]
    schedule: tuple[Mapping[int, float], ...] = ()
    starts: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def trained(self) -> set[int]:
        """Ids of the parameters that train."""
        return {key for key, size in self.step_sizes.items() if size > 0}


def plan_candidate(
    network: Backbone,
    plans: Sequence[SlotPlan],
    grouping: Grouping | None,
    candidate: Candidate,
    head: Mapping[str, Tensor],
) -> CandidatePlan:
    """Apply slots, groups and the start of the head to the network that all candidates share."""
    config = candidate.config
    named = dict(network.module.named_parameters())
    sizes = dict.fromkeys(map(id, named.values()), 0.0)
    sizes |= {id(named[one.name]): one.lr(config) for one in plans}
    found = {id(named[one.name]): labels_of(one, grouping) for one in plans}
    labels = {key: groups for key, groups in found.items() if groups is not None}
    schedule = scheduled_sizes(network, plans, candidate.method, config)
    starts = {id(named[name]): value for name, value in head.items()}
    return CandidatePlan(config, sizes, labels, schedule, starts)


BETAS, EPS = (0.9, 0.999), 1e-8


class BatchedOptimizer:
    """Updates the rows of all candidates in place.

    Parameters
    ----------
    parameters : CandidateParameters
    plans : sequence of CandidatePlan
        One a candidate; all with the same optimizer.
    """

    def __init__(self, parameters: CandidateParameters, plans: Sequence[CandidatePlan]) -> None:
        self._parameters, self._configs = parameters, [plan.config for plan in plans]
        self._kind = self._configs[0].optimizer
        self._schedule = Schedule(parameters, plans)
        self._step = 0
        # Steps that were taken; those of each entry, where some entries stay at some steps.
        self._taken: Tensor | int = 0
        self._memory = [torch.zeros_like(parameters.flat) for _ in range(1 if self._sgd else 2)]
        self._gradient_scales = parameters.gradient_scales()
        self._momentum, self._decay = self._each("momentum"), self._each("weight_decay")
        decays = any(one.weight_decay for one in self._configs)
        self._origin = parameters.origin() if decays else None

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Take one step along the summed gradients of all blocks."""
        flat, sizes = self._parameters.flat, self._schedule.at(self._step)
        self._step += 1
        gradient = torch.cat([one.reshape(-1) for one in gradients])
        if self._gradient_scales is not None:
            gradient.mul_(self._gradient_scales)
        if self._origin is not None:
            pull = (flat - self._origin).mul_(self._decay)
            if self._kind == "adamw":
                flat.addcmul_(pull, sizes.entries, value=-1)
            else:
                gradient.add_(pull)
        self._remember(gradient, sizes.moving)
        flat.addcmul_(self._direction(), sizes.entries, value=-1)

    @property
    def _sgd(self) -> bool:
        return self._kind == "sgd"

    def _each(self, name: str) -> Tensor | float:
        values = [getattr(one, name) for one in self._configs]
        if len(set(values)) == 1:
            return float(values[0])
        return self._parameters.each(self._parameters.flat.new_tensor(values))

    def _remember(self, gradient: Tensor, moving: Tensor | None) -> None:
        """Bring the momentum of what moves up to date."""
        before = [] if moving is None else [one.clone() for one in self._memory]
        self._taken = self._taken + (1 if moving is None else moving.to(gradient.dtype))
        if self._sgd:
            self._memory[0].mul_(self._momentum).add_(gradient)
        else:
            first, second = self._memory
            first.lerp_(gradient, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        if moving is not None:
            for memory, old in zip(self._memory, before, strict=True):
                memory.copy_(torch.where(moving, memory, old))

    def _direction(self) -> Tensor:
        if self._sgd:
            return self._memory[0]
        first, second = self._memory
        # What has not moved yet has no direction, and needs none.
        taken = self._taken.clamp_min(1) if isinstance(self._taken, Tensor) else self._taken
        seen_first, seen_second = (1 - beta**taken for beta in BETAS)
        spread = second.sqrt().div_(seen_second**0.5).add_(EPS)
        return first.div(spread).div_(seen_first)
