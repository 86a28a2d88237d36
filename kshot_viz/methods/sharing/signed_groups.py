"""Groups whose members may move in opposite directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.activations.capture import capture_prepared
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.grouped import Sharing
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.sharing.ties import Ties
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.inputs.support import Support


@register_method
@dataclass(frozen=True)
class SignedGroups(Sharing):
    """Neurons that do the opposite of each other share a gradient with opposite signs.

    A rule forms its groups by squared correlations. Which sign a neuron has follows from its
    correlation, on the support, with the first principal direction of its group. What it is given
    is its sign times the group's mean of signed gradients; the scale of a batch norm, which is the
    same for two opposite neurons, has no sign.
    """

    name = "signed_groups"
    label = "signed groups"
    sees_total = False

    def grouping_rule(self, grouping: Grouping | GroupingRule) -> Grouping | GroupingRule:
        """Return the rule with squared correlations as what makes neurons alike."""
        if isinstance(grouping, Grouping):
            return grouping
        method = "average" if grouping.method == "correlation" else grouping.method
        return replace(grouping, method=method, metric="squared_correlation")

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Find the signs, and return what trains."""
        slots = super().attach(network, setup)
        groups = setup.grouping or Grouping({})
        signs = signs_of(network, setup.support, groups)
        layer_of = _signed_parameters(network, signs)
        return [
            replace(slot, share=_share(slot, signs[layer_of[slot.name]], setup.config.reduce))
            if slot.name in layer_of
            else slot
            for slot in slots
        ]


def signs_of(
    network: Backbone, support: Support, grouping: Grouping
) -> dict[str, NDArray[np.float64]]:
    """Return the sign, 1 or -1, of each neuron of the grouped layers.

    Parameters
    ----------
    network : Backbone
    support : Support
    grouping : Grouping

    Returns
    -------
    dict
        Layer -> array, shape (neurons,).
    """
    captured = capture_prepared(network, support.inputs, list(grouping))
    return {
        name: group_signs(captured.layer(name).correlation(), labels)
        for name, labels in grouping.items()
    }


def group_signs(correlation: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    """Return the side of its group's first principal direction that each neuron is on.

    Parameters
    ----------
    correlation : ndarray, shape (neurons, neurons)
    labels : ndarray of int, shape (neurons,)

    Returns
    -------
    ndarray, shape (neurons,)
        1 or -1; the first member of a group has 1, and so has a neuron that never changes.
    """
    signs = np.ones(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        first = np.linalg.eigh(correlation[np.ix_(members, members)])[1][:, -1]
        side = np.where(np.abs(first) > 1e-9, np.sign(first), 1.0)
        signs[members] = side * side[0]
    return signs


class SignedTies:
    """Replaces a gradient by its sign times the mean of the group's signed gradients.

    Parameters
    ----------
    ties : Ties
    signs : Tensor, shape (neurons,)
    """

    def __init__(self, ties: Ties, signs: Tensor) -> None:
        self._ties, self._signs = ties, signs

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the shared gradient."""
        signs = self._like(gradient)
        return signs * self._ties(signs * gradient)

    def pull(self, difference: Tensor) -> Tensor:
        """Return the shared pull, signed in the same way."""
        signs = self._like(difference)
        return signs * self._ties.pull(signs * difference)

    def _like(self, tensor: Tensor) -> Tensor:
        return self._signs.view(-1, *[1] * (tensor.dim() - 1))


def _share(slot: Slot, signs: NDArray[np.float64], reduce: str) -> SignedTies:
    ties = Ties(cast(Labels, slot.labels), reduce=reduce, device=slot.parameter.device)
    return SignedTies(ties, torch.from_numpy(signs).to(slot.parameter))


def _signed_parameters(network: Backbone, layers: Mapping[str, object]) -> dict[str, str]:
    """Return parameter -> layer: the tied ones without the scale of a batch norm."""
    return {
        name: layer
        for layer in layers
        for name in network.tied_parameters(layer)
        if name != f"{network.layer(layer).norm}.weight"
    }
