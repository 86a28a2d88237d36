"""One averaged gradient per group of neurons, and its two null groupings.

Yoo, Fan, Boddeti, Kitani, "Efficient K-Shot Learning with Regularized Deep Networks" (AAAI 2018).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method, MethodStyle
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.sharing.ties import Mixing
from kshot_viz.methods.slots import SlotPlan
from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True)
class Sharing(Method):
    """Groups share gradients; what all such methods have in common."""

    shares: ClassVar[bool] = True

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return all parameters, or with ``others="freeze"`` those of grouped layers."""
        if config.others == "train":
            return super().trained(network, layers, config)
        return {name for layer in layers for name in network.tied_parameters(layer)}


@register_method
@dataclass(frozen=True)
class Grouped(Sharing):
    """One averaged gradient per group of neurons.

    Attributes
    ----------
    own : float
        The share of a neuron's own gradient in what it is given, from 0 to 1, which is plain
        fine-tuning; the rest is the mean of its group.
    scale : {"none", "root", "norm"}
        What that mean is multiplied by: nothing, the root of the group's size, or what makes it as
        long as the members' own gradients are on average (of each parameter for itself). The size
        itself is ``FinetuneConfig(reduce="sum")``.
    """

    name = "grouped"
    label = "groups"
    style: ClassVar[MethodStyle | None] = MethodStyle(label, "#D55E00", "^", "-")
    own: float = 0.0
    scale: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        Mixing(self.own, self.scale)

    @property
    def batched(self) -> bool:
        """Whether the fast path may train it, which knows plain means and sums alone."""
        return super().batched and self._mixing is None

    def plan(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> tuple[SlotPlan, ...]:
        """Return the slots by name, with what their groups share.

        Raises
        ------
        KShotValueError
            If both the method and ``config.reduce`` scale the gradient of a group.
        """
        if self.scale != "none" and config.reduce == "sum":
            raise KShotValueError(
                f"`scale` must be 'none' where `reduce` is 'sum', which multiplies the mean of a "
                f"group by its size; not {self.scale!r}."
            )
        return tuple(
            replace(one, mixing=self._mixing) for one in super().plan(network, layers, config)
        )

    @property
    def _mixing(self) -> Mixing | None:
        mixing = Mixing(self.own, self.scale)
        return None if mixing == Mixing() else mixing


@register_method
@dataclass(frozen=True)
class Shuffled(Grouped):
    """Groups of the same sizes with members drawn at random: the null grouping."""

    name = "shuffled"
    label = "shuffled groups"
    null_of = "grouped"
    null_note = (
        "Groups with shuffled members differ from plain in the same direction, so this need not "
        "come from which neurons share a group."
    )
    style = MethodStyle(label, "#E69F00", "v", "--")

    def grouping_rule(self, grouping: Grouping | GroupingRule) -> Grouping | GroupingRule:
        """Return a rule that draws the members anew in every episode."""
        if isinstance(grouping, Grouping):
            return GroupingRule(given=grouping, shuffled=True)
        return replace(grouping, shuffled=True)


@register_method
@dataclass(frozen=True)
class WeightGroups(Grouped):
    """Groups formed from weights instead of activations."""

    name = "weight_groups"
    label = "weight groups"
    style = MethodStyle(label, "#009E73", "P", (0, (6, 1.5, 1.5, 1.5)))

    def grouping_rule(self, grouping: Grouping | GroupingRule) -> Grouping | GroupingRule:
        """Return the rule with weights as what makes neurons alike."""
        if isinstance(grouping, Grouping):
            return grouping
        return replace(grouping, groups_from="weights", given=None)
