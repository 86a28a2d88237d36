"""What the hooks of a method are given: a set-up, the images of a step, and an update."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.inputs.support import Support

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class Setup:
    """What a method is attached for.

    Attributes
    ----------
    config : FinetuneConfig
    support : Support
        The labelled images: ``inputs`` (N, ...), ``targets`` (N,), ``classes`` (way,).
    grouping : Grouping or None
        The groups of neurons, for a method that shares gradients.
    """

    config: FinetuneConfig
    support: Support
    grouping: Grouping | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the grouped layers."""
        return tuple(self.grouping or ())


@dataclass(eq=False)
class Batch:
    """The support images of one step: all, or those of a mini-batch.

    Attributes
    ----------
    network : Backbone
    inputs : Tensor, shape (N, ...)
    targets : Tensor of int64, shape (N,)
    step : int
        Steps taken so far.
    seed : int
        Of this run and step, for a loss that draws (with ``kshot_viz.seeds.torch_rng``).
    rows : Tensor of int64, shape (N,), optional
        Which images of the support they are; None for all, in their order.
    """

    network: Backbone
    inputs: Tensor
    targets: Tensor
    step: int = 0
    seed: int = 0
    rows: Tensor | None = None

    @cached_property
    def logits(self) -> Tensor:
        """The network's output, shape (N, way), computed at the first use unless it was set."""
        # A copy, since the network may write to its input.
        return self.network.module(self.inputs.clone())


@dataclass(eq=False)
class Step:
    """One update, as the hooks of a method see it.

    Attributes
    ----------
    number, total : int
        The first step has number 0.
    lr : dict of str to float
        Step size of each slot in this step; a hook may change it, and 0 leaves a parameter and its
        momentum as they are. It starts from the slots' own step sizes in every step.
    """

    number: int
    total: int
    lr: dict[str, float]

    def check(self, names: Set[str]) -> None:
        """Raise a KShotError unless each slot has a finite step size of at least 0."""
        for name in self.lr.keys() - names:
            raise unknown_name("step.lr", name, names)
        if len(self.lr) < len(names) or not all(0 <= one < math.inf for one in self.lr.values()):
            raise KShotValueError(f"`step.lr` needs finite sizes >= 0 of all slots; not {self.lr}.")
