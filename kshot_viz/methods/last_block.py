"""Fine-tuning of the last block."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kshot_viz.methods.base import Method, MethodStyle
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import register_method
from kshot_viz.models.backbone import Backbone


@register_method
@dataclass(frozen=True)
class LastBlock(Method):
    """The head and the last block train."""

    name = "last_block"
    label = "last block"
    style = MethodStyle(label, "#CC79A7", "D", "-.")

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return the parameters of the last block, tied batch norms included."""
        return network.block_parameters()
