"""What one candidate trains: its settings, step sizes and ties, parameter by parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.slots import SlotPlan, labels_of

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class CandidatePlan:
    """The settings of a candidate, and its step sizes and group labels by the parameter's id."""

    config: FinetuneConfig
    step_sizes: Mapping[int, float]
    labels: Mapping[int, Labels]

    @property
    def trained(self) -> set[int]:
        """Ids of the parameters that train."""
        return {key for key, size in self.step_sizes.items() if size > 0}


def plan_candidate(
    network: Backbone,
    plans: Sequence[SlotPlan],
    grouping: Grouping | None,
    config: FinetuneConfig,
) -> CandidatePlan:
    """Apply the slots of a candidate to the network that all candidates share."""
    named = dict(network.module.named_parameters())
    sizes = dict.fromkeys(map(id, named.values()), 0.0)
    sizes |= {id(named[one.name]): one.lr(config) for one in plans}
    found = {id(named[one.name]): labels_of(one, grouping) for one in plans}
    labels = {key: groups for key, groups in found.items() if groups is not None}
    return CandidatePlan(config, sizes, labels)
