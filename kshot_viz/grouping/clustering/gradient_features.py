"""Neurons described by the loss gradients that they get from each image of a support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from kshot_viz.activations import Activations
from kshot_viz.activations.store import InnerProductStore
from kshot_viz.models.inputs.support import Support, prepare_support
from kshot_viz.models.logistic import logistic_head
from kshot_viz.models.modes import evaluating

if TYPE_CHECKING:
    from typing import Any

    from kshot_viz.models.backbone import Backbone


def gradient_features(
    backbone: Backbone, support: Any, layers: Sequence[str] | None = None
) -> Activations:
    """Describe every neuron by the gradient of each image's loss by its weights and bias.

    A new head that starts at zero passes no gradient on, so the gradients are those below a
    logistic regression on the support's features. Images go through the network one by one, and
    inner products alone are kept, so memory does not grow with their number.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    layers : sequence of str, optional

    Returns
    -------
    Activations
        Layer -> coordinates, shape (neurons, rank), with the inner products of the gradients of all
        images side by side.

    Raises
    ------
    KShotValueError
        For images without labels, or of one class.
    """
    names, data = list(layers or backbone.layers), prepare_support(backbone, support)
    network = backbone.with_new_head(len(data.classes))
    stores = {name: InnerProductStore(backbone.layer(name).width) for name in names}
    with logistic_head(network, data), torch.enable_grad(), evaluating(network.module):
        for index in range(len(data.inputs)):
            for name, rows in _gradients(network, data, names, index).items():
                stores[name].add(rows[:, None])
    found = {name: store.finish() for name, store in stores.items()}
    return Activations(found, "gradients", len(data.inputs), backbone.name)


def _gradients(
    network: Backbone, data: Support, names: Sequence[str], index: int
) -> dict[str, Tensor]:
    """Return the gradients of one image's loss: layer -> (neurons, parameters of a neuron)."""
    inputs, target = data.inputs[index : index + 1], data.targets[index : index + 1]
    tied = {name: list(network.tied_parameters(name).values()) for name in names}
    parameters = [one.requires_grad_() for several in tied.values() for one in several]
    loss = F.cross_entropy(network.module(inputs.clone()), target)
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    rows = iter([one.reshape(len(one), -1) for one in found])
    return {name: torch.cat([next(rows) for _ in several], dim=1) for name, several in tied.items()}
