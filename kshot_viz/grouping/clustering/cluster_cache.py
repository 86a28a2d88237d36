"""All clusterings of a network's layers on some images, each made at its first use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kshot_viz.activations import Activations, LayerActivations, capture_activations
from kshot_viz.activations.geometry import mean_and_std
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.clustering.clustered import ClusteredLayer

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


class Clusterings:
    """Layers as clustered by what forms the groups; cutting one again costs next to nothing.

    Parameters
    ----------
    backbone : Backbone
    images : image batch or None
        Support or source images; None suffices for weights.
    seed : int
        Seed of k-means.
    """

    def __init__(self, backbone: Backbone, images: Any = None, *, seed: int = 0) -> None:
        self._backbone, self._images, self._seed = backbone, images, seed
        self._captured: dict[tuple[str, str], LayerActivations] = {}
        self._clustered: dict[tuple[str, ...], ClusteredLayer] = {}

    def layers(
        self, names: Sequence[str], *, groups_from: str, pool: str, method: str, dead: str
    ) -> dict[str, ClusteredLayer]:
        """Return some layers, clustered.

        Parameters
        ----------
        names : sequence of str
        groups_from, pool, method, dead : str
            As in :class:`GroupingRule`; ``pool`` does not matter for weights.
        """
        by = "weights" if groups_from == "weights" else pool
        self._capture(names, by, groups_from)
        for name in names:
            key = (name, by, method, dead)
            if key not in self._clustered:
                self._clustered[key] = ClusteredLayer(
                    self._captured[name, by], name, method=method, dead=dead, seed=self._seed
                )
        return {name: self._clustered[name, by, method, dead] for name in names}

    def _capture(self, names: Sequence[str], by: str, groups_from: str) -> None:
        """Describe the neurons of layers that were not described yet."""
        missing = [name for name in names if (name, by) not in self._captured]
        if not missing:
            return
        if by == "weights":
            found = weight_features(self._backbone, missing)
        elif self._images is None:
            raise KShotValueError(
                f"Groups from {groups_from!r} need images: give `{groups_from}=`."
            )
        else:
            found = capture_activations(self._backbone, self._images, layers=missing, pool=by)
        self._captured |= {(name, by): layer for name, layer in found.layers.items()}


def weight_features(backbone: Backbone, layers: Sequence[str] | None = None) -> Activations:
    """Describe every neuron by its own weights instead of by what it answers.

    Returns
    -------
    Activations
        Layer -> (neurons, weights of the row); ``n_images`` is 0.
    """
    rows = {name: _weights(backbone, name) for name in layers or backbone.layers}
    return Activations(rows, "weights", 0, backbone.name)


def _weights(backbone: Backbone, layer: str) -> LayerActivations:
    weight = backbone.tied_parameters(layer)[f"{layer}.weight"].detach()
    rows = weight.cpu().flatten(1)
    # A copy in at least float32: the parameter itself may train later.
    points = np.array((rows if rows.dtype == torch.float64 else rows.float()).numpy())
    mean, std = mean_and_std(points)
    # A neuron with a single weight has no spread, yet it is not dead: its level is its activity.
    spread = std if points.shape[1] > 1 else np.abs(mean)
    return LayerActivations(points, mean, spread, points.shape[1])
