"""Linear probing, then fine-tuning (Kumar, Raghunathan, Jones, Ma, Liang, ICLR 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from kshot_viz.methods.base import Method
from kshot_viz.methods.hooks import Step
from kshot_viz.methods.options import check_share
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.schedules import stay
from kshot_viz.models.backbone import Backbone


@register_method
@dataclass(frozen=True)
class LpFt(Method):
    """The head trains alone for a share of the steps, then everything does.

    Attributes
    ----------
    share : float
        From 0, which is plain fine-tuning, to 1, where nothing but the head trains.
    """

    name = "lp_ft"
    label = "head first"
    share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("share", self.share)

    def schedule(self, network: Backbone, step: Step) -> None:
        """Leave the body as it is in the first part of the steps."""
        if step.number < self.share * step.total:
            stay(step, step.lr.keys() - network.head_parameters())
