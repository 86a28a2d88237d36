"""Fine-tuning of biases and normalisation parameters."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import register_method
from kshot_viz.models.backbone import Backbone

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


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
        """Return all biases, and scale and shift of every norm, by its class or its name."""
        return _names(network)


def _is_norm(module: nn.Module) -> bool:
    # Libraries have norms of their own: RmsNorm, SimpleNorm2d.
    named = re.search(r"norm(\dd)?$", type(module).__name__.lower())
    return isinstance(module, NORMS) or named is not None


def _is_bias(name: str) -> bool:
    # Attention has an ``in_proj_bias``, and recurrent layers a ``bias_ih_l0``; a table of relative
    # positions, also called a bias, is none.
    return name == "bias" or name.startswith("bias_") or name.endswith("_bias")


def _names(network: Backbone) -> set[str]:
    head = network.head_parameters()
    found = {
        f"{owner}.{name}".removeprefix(".")
        for owner, module in network.module.named_modules()
        for name, _ in module.named_parameters(recurse=False)
        if _is_bias(name) or _is_norm(module)
    }
    return found - head
