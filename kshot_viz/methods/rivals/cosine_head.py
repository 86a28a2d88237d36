"""A head that compares directions (Gidaris, Komodakis, CVPR 2018; Chen et al., ICLR 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kshot_viz.checks import check, number
from kshot_viz.methods.frozen_body import FrozenBody, new_head
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head_init import head_features, mean_directions


class CosineLinear(nn.Linear):
    """Scaled cosines between features and the rows of a weight.

    Parameters
    ----------
    weight : Tensor, shape (way, features)
    scale : float
        What the cosines are multiplied by at first; it trains with the weight.
    """

    def __init__(self, weight: Tensor, scale: float) -> None:
        way, width = weight.shape
        super().__init__(width, way, bias=False, device="meta")
        self.weight = nn.Parameter(weight)
        self.scale = nn.Parameter(weight.new_tensor(scale))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, features) to logits (N, way)."""
        cosines = F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))
        return self.scale * cosines


@register_method
@dataclass(frozen=True)
class CosineHead(FrozenBody):
    """The head compares directions of features, with a learned scale; it starts at class means.

    Before the first step it is the nearest class mean by cosine. The body stays as it is.

    Attributes
    ----------
    scale : float
        What cosines are multiplied by at first.
    """

    name = "cosine_head"
    label = "cosine head"
    own_head = True
    scale: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check("scale", self.scale, number(0, above=True))

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Put the class means of features of length one into a new linear part of the head."""
        means = mean_directions(head_features(network, setup.support.inputs), setup.support)
        new_head(network).linear = CosineLinear(means, self.scale)
        return super().attach(network, setup)

    @classmethod
    def rebuild(cls, network: Backbone, state: Mapping[str, Tensor]) -> None:
        """Put a linear part that compares directions into the new head."""
        head = new_head(network)
        head.linear = CosineLinear(torch.zeros_like(head.linear.weight), 1.0)
