"""The gradients of a layer's neurons while it is tuned, before and after they are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.loop import Run, start_run
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.grouping.metrics import group_means
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import resolve_method
from kshot_viz.models.modes import evaluating

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


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


def gradient_trace(
    backbone: Backbone,
    support: Any,
    grouping: Grouping,
    layer: str,
    *,
    config: FinetuneConfig | None = None,
    seed: int = 0,
) -> GradientTrace:
    """Tune on the support with a grouping and record the gradients of one layer's neurons.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    grouping : Grouping
    layer : str
    config : FinetuneConfig, optional
    seed : int

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
    run = start_run(
        backbone, support, resolve_method("grouped"), grouping, config or FinetuneConfig()
    )
    parameters = list(run.backbone.tied_parameters(layer).values())
    if not all(parameter.requires_grad for parameter in parameters):
        raise KShotValueError(f"`config` freezes layer {layer!r}, so it has no gradient.")
    found = [_lengths(_gradient(run, parameters), labels) for _ in run.states(seed)]
    alone, shared = (np.stack(rows) for rows in zip(*found, strict=True))
    return GradientTrace(layer, alone, shared)


def _gradient(run: Run, parameters: list[torch.nn.Parameter]) -> NDArray[np.float64]:
    """Return the gradient of every neuron as a row, shape (neurons, parameters of a neuron)."""
    with evaluating(run.backbone.module):
        loss = run.method.loss(run.backbone, run.batch())
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    rows = [
        torch.zeros_like(parameter) if one is None else one
        for one, parameter in zip(found, parameters, strict=True)
    ]
    flat = [one.detach().double().cpu().numpy().reshape(len(one), -1) for one in rows]
    return np.concatenate(flat, axis=1)


def _lengths(
    gradient: NDArray[np.float64], labels: Labels
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = group_means(gradient, labels)
    return np.linalg.norm(gradient, axis=1), np.linalg.norm(means, axis=1)[labels]
