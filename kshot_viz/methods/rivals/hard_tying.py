"""Weights shared inside groups (softly: Nowlan, Hinton, Neural Computation, 1992)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kshot_viz.grouping.labels import Labels
from kshot_viz.grouping.metrics import group_means
from kshot_viz.methods.grouped import Sharing
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone


@register_method
@dataclass(frozen=True)
class HardTying(Sharing):
    """The neurons of a group start at their mean and stay equal; one of them would do.

    The mean is that of weights, biases, and scale, shift and statistics of a tied batch norm. From
    there on, the averaged gradient of the group keeps its neurons equal.
    """

    name = "hard_tying"
    label = "tied weights"
    sees_total = False

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Replace the neurons of each group by their mean."""
        for layer, labels in (setup.grouping or {}).items():
            tie(network, layer, labels)
        return super().attach(network, setup)


@torch.no_grad()
def tie(network: Backbone, layer: str, labels: Labels) -> None:
    """Replace the neurons of a layer by the mean of their group, in place.

    Parameters
    ----------
    network : Backbone
        A private copy.
    layer : str
    labels : ndarray of int, shape (neurons,)
    """
    norm = network.layer(layer).norm
    buffers = {} if norm is None else dict(network.module.get_submodule(norm).named_buffers())
    statistics = [buffers[one] for one in ("running_mean", "running_var") if one in buffers]
    for tensor in (*network.tied_parameters(layer).values(), *statistics):
        tensor.copy_(_shared(tensor, labels))


def _shared(tensor: Tensor, labels: Labels) -> Tensor:
    rows = tensor.detach().double().cpu().reshape(len(tensor), -1).numpy()
    return torch.from_numpy(group_means(rows, labels)[labels]).reshape(tensor.shape)
