"""Step sizes that shrink with depth (Howard, Ruder, ACL 2018; Clark et al., ICLR 2020)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kshot_viz.errors import KShotValueError
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.options import check_share
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import SlotPlan
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.blocks import block_parameters


@register_method
@dataclass(frozen=True)
class Layerwise(Method):
    """All parameters train, each block with a smaller step size than the one above it.

    Attributes
    ----------
    decay : float
        What the step size is multiplied by from one block to the next below, above 0 and up to 1,
        which is plain fine-tuning. The last block has the step size ``lr`` itself.
    """

    name = "layerwise"
    label = "layer-wise steps"
    tuned = ("lr", "head_lr", "decay")
    tries: ClassVar[Mapping[str, tuple[Any, ...]]] = {"decay": (0.4, 0.65, 0.85)}
    decay: float = 0.65

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("decay", self.decay)
        if not self.decay:
            raise KShotValueError("`decay` must be above 0; `last_block` trains the last alone.")

    def plan(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> tuple[SlotPlan, ...]:
        """Return all parameters, with a factor for the depth of each block."""
        blocks = [*block_parameters(network).values()]
        factors = {
            name: self.decay**depth for depth, names in enumerate(blocks[::-1]) for name in names
        }
        plans = super().plan(network, layers, config)
        return tuple(replace(one, factor=one.factor * factors.get(one.name, 1.0)) for one in plans)
