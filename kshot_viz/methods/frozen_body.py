"""What methods have in common whose body stays as it is: the support's features, computed once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, cast

from torch import Tensor

from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.hooks import Batch, Setup
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head import Head
from kshot_viz.models.head_init import head_features


@dataclass(frozen=True)
class FrozenBody(Method):
    """The new head trains on features of the support that are computed once.

    They are those of the network in eval mode, whatever ``train_mode`` says.
    """

    tuned: ClassVar[tuple[str, ...]] = ("head_lr",)
    sees_total: ClassVar[bool] = False

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return no parameter of the body."""
        return ()

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Keep the support's features beside the head."""
        features = head_features(network, setup.support.inputs)
        new_head(network).register_buffer("support_features", features, persistent=False)
        return super().attach(network, setup)

    def loss(self, network: Backbone, batch: Batch) -> Tensor:
        """Return the loss of the head's output for the kept features."""
        batch.logits = new_head(network).linear(batch_features(network, batch))
        return super().loss(network, batch)


def new_head(network: Backbone) -> Head:
    """Return the new head of a network."""
    return cast(Head, network.module.get_submodule(network.head_name))


def batch_features(network: Backbone, batch: Batch) -> Tensor:
    """Return the kept features of the images of a batch, shape (N, features)."""
    features = cast(Tensor, new_head(network).support_features)
    return features if batch.rows is None else features[batch.rows]
