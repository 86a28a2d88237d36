"""Fine-tuning of biases and normalisation parameters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import register_method
from kshot_viz.models.backbone import Backbone

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


@register_method
@dataclass(frozen=True)
class BitFit(Method):
    """Biases and normalisation parameters train (Ben Zaken et al., ACL 2022)."""

    name = "bitfit"
    label = "biases and norms"

    def applies(self, backbone: Backbone) -> str:
        """Say so where the network has neither."""
        return "" if _names(backbone) else "it has neither biases nor normalisation parameters"

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return all biases, and scale and shift of every normalisation layer."""
        return _names(network)


def _names(network: Backbone) -> set[str]:
    head = network.head_parameters()
    found = {
        f"{owner}.{name}".removeprefix(".")
        for owner, module in network.module.named_modules()
        for name, _ in module.named_parameters(recurse=False)
        if "bias" in name or isinstance(module, NORMS)
    }
    return found - head
