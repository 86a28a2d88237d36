"""Gradients of neurons: at the pretrained network, and step by step while it is tuned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.checks import checked, number
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.loop import finetune, start_run
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.grouping.metrics import group_means
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import STEPS, FinetuneConfig
from kshot_viz.methods.loss import cross_entropy
from kshot_viz.methods.registry import resolve_method
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.inputs.support import prepare_support
from kshot_viz.models.modes import evaluating
from kshot_viz.threads import one_thread


@checked(backbone=BACKBONE, head_steps=STEPS, head_lr=number(0))
@one_thread()
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
    tied = {layer: list(warmed.tied_parameters(layer).values()) for layer in warmed.layers}
    for parameter in warmed.module.parameters():
        parameter.requires_grad_(True)
    with evaluating(warmed.module):
        loss = cross_entropy(warmed.module(data.inputs), data.targets)
    rows = iter(_rows(loss, [one for parameters in tied.values() for one in parameters]))
    return {
        layer: np.concatenate([next(rows) for _ in parameters], axis=1)
        for layer, parameters in tied.items()
    }


@dataclass(frozen=True, eq=False)
class GradientTrace:
    """Lengths of gradients at every step of one run.

    Attributes
    ----------
    layer : str
    alone : ndarray, shape (steps + 1, neurons)
        Length of the gradient that each neuron would get on its own.
    shared : ndarray, shape (steps + 1, neurons)
        Length of its group's mean gradient, which it gets instead.
    """

    layer: str
    alone: NDArray[np.float64]
    shared: NDArray[np.float64]

    def removed(self, neurons: Any = None) -> NDArray[np.float64]:
        """Return the share of gradient energy that averaging removed, shape (steps + 1,).

        Parameters
        ----------
        neurons : array_like of int, optional
            Members of whole groups; all neurons by default.
        """
        part = slice(None) if neurons is None else neurons
        before = (self.alone[:, part] ** 2).sum(axis=1)
        after = (self.shared[:, part] ** 2).sum(axis=1)
        unknown = np.full(len(before), np.nan)
        return 1 - np.divide(after, before, out=unknown, where=before > 0)


@one_thread()
def gradient_trace(
    backbone: Backbone,
    support: Any,
    grouping: Grouping,
    layer: str,
    *,
    config: FinetuneConfig | None = None,
    method: Method | str = "grouped",
    seed: int = 0,
    watch: Callable[[int, int], object] | None = None,
) -> GradientTrace:
    """Tune on the support with a grouping and record the gradients of one layer's neurons.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    grouping : Grouping
    layer : str
    config : FinetuneConfig, optional
    method : Method or str
        One that shares gradients.
    seed : int
    watch : callable, optional
        Takes the numbers of finished and of all steps; an error that it raises ends the run.

    Returns
    -------
    GradientTrace
        The first entry is the untouched network, whose head is zero and passes no gradient on. A
        run that diverges ends early.

    Raises
    ------
    KShotKeyError
        If the layer is not in the grouping.
    KShotValueError
        If the settings freeze the layer.
    """
    labels = grouping[layer]
    run = start_run(backbone, support, resolve_method(method), grouping, config or FinetuneConfig())
    parameters = list(run.backbone.tied_parameters(layer).values())
    if not all(parameter.requires_grad for parameter in parameters):
        raise KShotValueError(f"`config` freezes layer {layer!r}, so it has no gradient.")
    found: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for step, _, _ in run.states(seed):
        if watch is not None:
            watch(len(found), run.config.steps)
        with evaluating(run.backbone.module):
            loss = run.method.loss(run.backbone, run.batch(step, seed))
        found.append(_lengths(np.concatenate(_rows(loss, parameters), axis=1), labels))
    alone, shared = (np.stack(rows) for rows in zip(*found, strict=True))
    return GradientTrace(layer, alone, shared)


def _rows(loss: Tensor, parameters: Sequence[Tensor]) -> list[NDArray[np.float64]]:
    """Return the gradient by each parameter, shape (neurons, entries of a neuron)."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return [one.detach().double().cpu().numpy().reshape(len(one), -1) for one in found]


def _lengths(
    gradient: NDArray[np.float64], labels: Labels
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = group_means(gradient, labels)
    return np.linalg.norm(gradient, axis=1), np.linalg.norm(means, axis=1)[labels]
