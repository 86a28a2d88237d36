"""One averaged gradient per group of neurons, and its two null groupings.

Yoo, Fan, Boddeti, Kitani, "Efficient K-Shot Learning with Regularized Deep Networks" (AAAI 2018).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar

from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method, MethodStyle
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import register_method
from kshot_viz.models.backbone import Backbone


@register_method
@dataclass(frozen=True)
class Grouped(Method):
    """One averaged gradient per group of neurons."""

    name = "grouped"
    label = "groups"
    shares = True
    style: ClassVar[MethodStyle | None] = MethodStyle(label, "#D55E00", "^", "-")

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return all parameters, or with ``others="freeze"`` those of grouped layers."""
        if config.others == "train":
            return super().trained(network, layers, config)
        return {name for layer in layers for name in network.tied_parameters(layer)}


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
