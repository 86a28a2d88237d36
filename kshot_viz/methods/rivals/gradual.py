"""Gradual unfreezing (Howard, Ruder, ACL 2018)."""

from __future__ import annotations

from dataclasses import dataclass

from kshot_viz.methods.base import Method
from kshot_viz.methods.hooks import Step
from kshot_viz.methods.options import check_share
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.schedules import stay
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.blocks import block_parameters


@register_method
@dataclass(frozen=True)
class Gradual(Method):
    """The head trains first, and one block after the other joins in, from the last to the first.

    Attributes
    ----------
    share : float
        The share of the steps that is cut into phases, from 0, which is plain fine-tuning, to 1.
        The head alone and each further block begin one of equal length: in the last phase, and
        after it, everything trains.
    """

    name = "gradual"
    label = "gradual"
    share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("share", self.share)

    def schedule(self, network: Backbone, step: Step) -> None:
        """Leave the blocks that have not joined in yet as they are."""
        blocks, until = [*block_parameters(network).values()], self.share * step.total
        if step.number < until:
            joined = int(step.number * (len(blocks) + 1) / until)
            for names in blocks[: len(blocks) - joined]:
                stay(step, names & step.lr.keys())
