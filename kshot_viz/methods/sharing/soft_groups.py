"""Soft groups: gradients projected onto the smoothest directions of a kernel of neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.activations.activations import LayerActivations
from kshot_viz.activations.capture import capture_prepared
from kshot_viz.checks import check, text
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.grouped import Sharing
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone

Kernel = NDArray[np.float64]


@register_method
@dataclass(frozen=True)
class SoftGroups(Sharing):
    """The gradient of a layer keeps as many directions as there are groups, of no group alone.

    The directions are the first eigenvectors of a kernel of the neurons' activations on the
    support, so neurons that activate alike move alike, with no border between groups. The kernel
    of hard groups (ones inside, zeros between) gives the average inside groups. Of the grouping
    only the number of groups of each layer counts.

    Attributes
    ----------
    kernel : {"gaussian", "correlation"}
        Of distances between activations, as wide as the usual distance, which is never negative;
        or the correlations, where opposite neurons move in opposite directions.
    """

    name = "soft_groups"
    label = "soft groups"
    sees_total = False
    kernel: str = "gaussian"

    def __post_init__(self) -> None:
        super().__post_init__()
        check("kernel", self.kernel, text)
        if self.kernel not in KERNELS:
            raise unknown_name("kernel", self.kernel, KERNELS)

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Find the directions, and return what trains.

        Raises
        ------
        KShotValueError
            If ``config.reduce`` is "sum": directions have no size.
        """
        if setup.config.reduce == "sum":
            raise KShotValueError("Soft groups have no size; leave `reduce` at 'mean'.")
        groups = setup.grouping or Grouping({})
        captured = capture_prepared(network, setup.support.inputs, list(groups))
        shares = {
            name: projection
            for layer in groups
            if (projection := self._projection(captured.layer(layer), groups.n_groups(layer)))
            for name in network.tied_parameters(layer)
        }
        # No labels: as many directions as neurons are plain fine-tuning.
        return [
            replace(one, labels=None, share=projection and projection.like(one.parameter))
            for one in super().attach(network, setup)
            for projection in [shares.get(one.name)]
        ]

    def _projection(self, layer: LayerActivations, rank: int) -> Projection | None:
        if rank >= layer.width:
            return None
        return Projection(first_directions(KERNELS[self.kernel](layer), rank))


class Projection:
    """Projects a gradient onto some directions in the space of a layer's neurons.

    Parameters
    ----------
    directions : Tensor, shape (neurons, rank)
        Orthonormal columns.
    """

    def __init__(self, directions: Tensor) -> None:
        self._directions = directions

    def like(self, parameter: Tensor) -> Projection:
        """Return the same for the type and device of a parameter."""
        return Projection(self._directions.to(parameter.detach()))

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the projected gradient."""
        rows = gradient.reshape(len(gradient), -1)
        return (self._directions @ (self._directions.T @ rows)).reshape(gradient.shape)

    def pull(self, difference: Tensor) -> Tensor:
        """Return the projected pull."""
        return self(difference)


def first_directions(kernel: Kernel, rank: int) -> Tensor:
    """Return the eigenvectors of the largest eigenvalues, shape (neurons, rank), float64.

    Parameters
    ----------
    kernel : ndarray, shape (neurons, neurons)
        Symmetric, positive semi-definite.
    rank : int
    """
    vectors = np.linalg.eigh((kernel + kernel.T) / 2)[1]
    return torch.from_numpy(vectors[:, ::-1][:, :rank].copy())


def _gaussian(layer: LayerActivations) -> Kernel:
    distances = layer.distances()
    others = distances[np.triu_indices(len(distances), 1)]
    width = max(float(np.median(others)), np.finfo(float).tiny ** 0.25)
    return np.exp(-((distances / width) ** 2))


def _correlation(layer: LayerActivations) -> Kernel:
    return layer.correlation()


KERNELS: dict[str, Callable[[LayerActivations], Kernel]] = {
    "gaussian": _gaussian,
    "correlation": _correlation,
}
