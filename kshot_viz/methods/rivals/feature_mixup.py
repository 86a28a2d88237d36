"""Mixed-up features (Zhang et al., ICLR 2018; Verma et al., ICML 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from kshot_viz.checks import check, number
from kshot_viz.methods.frozen_body import FrozenBody, batch_features, new_head
from kshot_viz.methods.hooks import Batch
from kshot_viz.methods.loss import cross_entropy
from kshot_viz.methods.registry import register_method
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import numpy_rng


@register_method
@dataclass(frozen=True)
class FeatureMixup(FrozenBody):
    """The head trains on mixtures of the support's features; the body stays as it is.

    In every step each image's features are mixed with those of another, drawn anew, and so are
    their losses. The loss in a history is that of the mixtures; the accuracy is that of the images.

    Attributes
    ----------
    alpha : float
        The share of one image in its mixture is drawn from Beta(alpha, alpha) in every step. 0
        mixes nothing, which is ``head_only``.
    """

    name = "feature_mixup"
    label = "feature mixup"
    tuned = ("head_lr", "alpha")
    tries: ClassVar[Mapping[str, tuple[Any, ...]]] = {"alpha": (0.2, 1.0)}
    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check("alpha", self.alpha, number(0))

    def loss(self, network: Backbone, batch: Batch) -> Tensor:
        """Return the loss of the mixtures of one step."""
        plain = super().loss(network, batch)
        if not self.alpha:
            return plain
        features, targets = batch_features(network, batch), batch.targets
        rng = numpy_rng(batch.seed, "mixup")
        share = float(rng.beta(self.alpha, self.alpha))
        order = torch.from_numpy(rng.permutation(len(targets))).to(targets.device)
        logits = new_head(network).linear(torch.lerp(features[order], features, share))
        other = cross_entropy(logits, targets[order])
        return share * cross_entropy(logits, targets) + (1 - share) * other
