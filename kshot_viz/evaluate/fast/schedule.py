"""The step size of every trained entry at each step, where methods have a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.hooks import Step
from kshot_viz.methods.slots import SlotPlan

if TYPE_CHECKING:
    from kshot_viz.evaluate.fast.parameters import CandidateParameters, CandidatePlan
    from kshot_viz.models.backbone import Backbone


def scheduled_sizes(
    network: Backbone, slots: Sequence[SlotPlan], method: Method, config: FinetuneConfig
) -> tuple[Mapping[int, float], ...]:
    """Return for each step the step sizes by the parameter's id; nothing without a schedule."""
    if type(method).schedule is Method.schedule:
        return ()
    named = dict(network.module.named_parameters())
    own = {one.name: one.lr(config) for one in slots if one.lr(config) > 0}
    steps = [Step(number, config.steps, dict(own)) for number in range(config.steps)]
    for step in steps:
        method.schedule(network, step)
        step.check(own.keys())
    return tuple({id(named[name]): lr for name, lr in step.lr.items()} for step in steps)


@dataclass(frozen=True, eq=False)
class StepSizes:
    """Step sizes of all entries at one step.

    Attributes
    ----------
    entries : Tensor, shape (entries,)
    moving : Tensor of bool, shape (entries,), or None
        Which entries move in this step; the others keep their momentum too. None: there is no
        schedule.
    """

    entries: Tensor
    moving: Tensor | None = None


class Schedule:
    """Step sizes that change only where a schedule changes them.

    Parameters
    ----------
    parameters : CandidateParameters
    plans : sequence of CandidatePlan
        With a schedule each, or none of them.
    """

    def __init__(self, parameters: CandidateParameters, plans: Sequence[CandidatePlan]) -> None:
        self._parameters, self._plans = parameters, plans
        self._known: tuple[tuple[float, ...], ...] | None = None
        self._sizes = StepSizes(parameters.step_sizes())

    @property
    def changes(self) -> bool:
        """Whether step sizes may differ between steps."""
        return any(plan.schedule for plan in self._plans)

    def at(self, number: int) -> StepSizes:
        """Return the step sizes of a step."""
        if self.changes:
            blocks = self._parameters.blocks
            each = [plan.schedule[number] for plan in self._plans]
            wanted = tuple(
                tuple(sizes.get(block.parameter, 0.0) for sizes in each) for block in blocks
            )
            if wanted != self._known:
                self._known, flat = wanted, self._parameters.flat
                parts = [flat.new_tensor(one).view(-1, 1, 1) for one in wanted]
                entries = self._parameters.join(parts)
                self._sizes = StepSizes(entries, entries > 0)
        return self._sizes
