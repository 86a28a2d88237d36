"""The gradient every neuron would get, before anything is averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from kshot_viz.finetune.loop import finetune
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.loss import cross_entropy
from kshot_viz.models.inputs.support import prepare_support
from kshot_viz.models.modes import evaluating

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


def neuron_gradients(
    backbone: Backbone, support: Any, *, head_steps: int = 20, head_lr: float = 0.1
) -> dict[str, NDArray[np.float64]]:
    """Return the loss gradient of each neuron's weights and bias at the pretrained network.

    The head starts at zero and would pass no gradient on, so it is trained alone first.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    head_steps : int
        Steps of the head before the gradient is taken.
    head_lr : float

    Returns
    -------
    dict
        Layer -> array, shape (neurons, parameters of a neuron).
    """
    config = FinetuneConfig(steps=head_steps, head_lr=head_lr)
    warmed = finetune(backbone, support, method="head_only", config=config).backbone
    data = prepare_support(warmed, support)
    names = [name for layer in warmed.layers for name in warmed.tied_parameters(layer)]
    parameters = dict(warmed.module.named_parameters())
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    with evaluating(warmed.module):
        loss = cross_entropy(warmed.module(data.inputs), data.targets)
    found = dict(zip(names, torch.autograd.grad(loss, [parameters[n] for n in names]), strict=True))
    return {
        layer: np.concatenate(
            [_rows(found[name]) for name in warmed.tied_parameters(layer)], axis=1
        )
        for layer in warmed.layers
    }


def _rows(gradient: torch.Tensor) -> NDArray[np.float64]:
    return gradient.detach().double().cpu().numpy().reshape(gradient.shape[0], -1)
