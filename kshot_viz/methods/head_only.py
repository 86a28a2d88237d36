"""Linear probing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kshot_viz.methods.base import Method, MethodStyle
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import register_method
from kshot_viz.models.backbone import Backbone


@register_method
@dataclass(frozen=True)
class HeadOnly(Method):
    """Only the new head trains (linear probing)."""

    name = "head_only"
    label = "head only"
    tuned = ("head_lr",)
    style = MethodStyle(label, "#6E6E6E", "s", ":")

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return no parameter of the body."""
        return ()
