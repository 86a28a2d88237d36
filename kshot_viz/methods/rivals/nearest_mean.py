"""The nearest class mean, on features that stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kshot_viz.errors import unknown_name
from kshot_viz.methods.base import Method
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head_init import class_means, fill_head, head_features, mean_directions

METRICS = ("cosine", "euclidean")


@register_method
@dataclass(frozen=True)
class NearestMean(Method):
    """Each image goes to the nearest class mean; nothing trains (Snell et al., NeurIPS 2017).

    The means are those of the support's frozen features. Both metrics are linear heads: of the
    cosine to a mean, only the mean's own length matters for which class is nearest.

    Attributes
    ----------
    metric : {"cosine", "euclidean"}
        Cosine takes the mean of features of length one.
    """

    name = "nearest_mean"
    label = "nearest mean"
    tuned = ()
    takes_steps = False
    own_head = True
    metric: str = "cosine"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.metric not in METRICS:
            raise unknown_name("metric", self.metric, METRICS)

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Make the head the classifier of the support's class means."""
        features = head_features(network, setup.support.inputs)
        # Squares of half precision would overflow.
        features = features.to(torch.promote_types(features.dtype, torch.float32))
        fill_head(network, *self._weights(features, setup))
        return []

    def _weights(self, features: Tensor, setup: Setup) -> tuple[Tensor, Tensor]:
        if self.metric == "euclidean":
            means = class_means(features, setup.support)
            return means, means.square().sum(dim=1) / -2
        means = mean_directions(features, setup.support)
        return means, torch.zeros_like(means[:, 0])
