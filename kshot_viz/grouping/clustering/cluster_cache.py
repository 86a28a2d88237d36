"""Clustered layers, and a cache of those of one network on some images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from kshot_viz.activations import Activations, LayerActivations, capture_activations
from kshot_viz.activations.pooling import mean_and_std
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.clustering.gradient_features import gradient_features
from kshot_viz.grouping.clustering.methods import METHODS, Cut, neuron_points
from kshot_viz.grouping.labels import Labels, canonical, count_from
from kshot_viz.grouping.metrics import group_means
from kshot_viz.seeds import child_seed

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


class ClusteredLayer:
    """The neurons of one layer, clustered once and cut into any number of groups.

    Parameters
    ----------
    layer : LayerActivations
    name : str
        Mixed into the seed, so layers do not depend on each other.
    method, metric, dead, seed
        As in :func:`kshot_viz.cluster_neurons`.

    Raises
    ------
    KShotValueError
        For a layer in which no neuron responds.
    """

    def __init__(
        self,
        layer: LayerActivations,
        name: str,
        *,
        method: str = "kmeans",
        metric: str = "euclidean",
        dead: str = "separate",
        seed: int = 0,
    ) -> None:
        silent = layer.dead
        if silent.all() and layer.width > 1:
            raise KShotValueError(
                f"No neuron of layer {name!r} responds: each is constant over the "
                f"{layer.n_features} features. Are all images (or weights) the same?"
            )
        separate = dead == "separate" and silent.any() and not silent.all()
        self._name, self.width = name, layer.width
        self._silent = silent if separate else np.zeros_like(silent)
        self._points = neuron_points(layer, method, metric)[~self._silent]
        self._method, self._seed = METHODS[method], child_seed(seed, "cluster", name)
        self._made: dict[int, Labels] = {}

    def labels(
        self,
        n_groups: float | int,
        *,
        max_within: float | None = None,
        min_between: float | None = None,
    ) -> tuple[Labels, int | None]:
        """Cut the layer into groups.

        Parameters
        ----------
        n_groups : float or int
            A share of the width, or a count.
        max_within, min_between : float, optional
            As in :func:`kshot_viz.cluster_neurons`.

        Returns
        -------
        labels : ndarray of int, shape (neurons,)
        dead : int or None
            The label of the group of dead neurons, where there is one.
        """
        count = min(count_from(n_groups, self.width, self._name), len(self._points))
        live = self._whole(count)
        if min_between is not None:
            live = merge_close(self._points, live, min_between)
        if max_within is not None:
            live = separate_far(self._points, live, max_within)
        live = canonical(live)
        if not self._silent.any():
            return live, None
        rows = np.full(self.width, live.max() + 1, dtype=np.int64)
        rows[~self._silent] = live
        return rows, int(live.max()) + 1

    def _whole(self, count: int) -> Labels:
        """Return the groups before any bound."""
        neurons = len(self._points)
        if count == neurons:
            return np.arange(neurons)
        if count == 1:
            return np.zeros(neurons, dtype=np.int64)
        if count not in self._made:
            self._made[count] = self._cut(count)
        return self._made[count]

    @cached_property
    def _cut(self) -> Cut:
        return self._method.clustering(self._points, self._seed)


class ClusteringCache:
    """Clustered layers by what forms the groups, each made at its first use.

    Parameters
    ----------
    backbone : Backbone
    images : image batch or None
        Support or source images; None suffices for weights.
    seed : int
        Seed of k-means.
    labels : sequence, optional
        Of the images, for groups from gradients; a data set has its own.
    """

    def __init__(
        self, backbone: Backbone, images: Any = None, *, seed: int = 0, labels: Any = None
    ) -> None:
        self._backbone, self._images, self._seed = backbone, images, seed
        self._labels = labels
        self._captured: dict[tuple[str, str], LayerActivations] = {}
        self._clustered: dict[tuple[str, ...], ClusteredLayer] = {}

    def layers(
        self,
        names: Sequence[str],
        *,
        groups_from: str,
        pool: str,
        method: str,
        dead: str,
        metric: str = "euclidean",
    ) -> dict[str, ClusteredLayer]:
        """Return some layers, clustered.

        Parameters
        ----------
        names : sequence of str
        groups_from, pool, method, dead, metric : str
            As in :class:`GroupingRule`; ``pool`` does not matter for weights and gradients.
        """
        by = groups_from if groups_from in ("weights", "gradients") else pool
        self._capture(names, by, groups_from)
        for name in names:
            key = (name, by, method, metric, dead)
            if key not in self._clustered:
                self._clustered[key] = ClusteredLayer(
                    self._captured[name, by],
                    name,
                    method=method,
                    metric=metric,
                    dead=dead,
                    seed=self._seed,
                )
        return {name: self._clustered[name, by, method, metric, dead] for name in names}

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
        elif by == "gradients":
            found = gradient_features(self._backbone, self._labelled(), missing)
        else:
            found = capture_activations(self._backbone, self._images, layers=missing, pool=by)
        self._captured |= {(name, by): layer for name, layer in found.layers.items()}

    def _labelled(self) -> Any:
        """Return the images with their labels."""
        if self._labels is not None:
            return self._images, self._labels
        if not hasattr(self._images, "targets"):
            raise KShotValueError("Groups from 'gradients' need labelled images: give `labels=`.")
        return self._images


def weight_features(backbone: Backbone, layers: Sequence[str] | None = None) -> Activations:
    """Describe every neuron by its own weights instead of its activations.

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


Points = NDArray[np.float64]


def separate_far(points: Points, labels: Labels, quantile: float) -> Labels:
    """Give every neuron farther from its group's mean than the bound a group of its own.

    A mean moves when members leave, so this is repeated until the bound holds.

    Parameters
    ----------
    points : ndarray, shape (neurons, dimensions)
    labels : ndarray of int, shape (neurons,)
    quantile : float
        The bound as a quantile of the neuron-to-neuron distances.
    """
    bound = _bound(points, quantile)
    rows = canonical(labels)
    while (far := np.flatnonzero(_to_mean(points, rows) > bound)).size:
        rows[far] = rows.max() + 1 + np.arange(far.size)
        rows = canonical(rows)
    return rows


def merge_close(points: Points, labels: Labels, quantile: float) -> Labels:
    """Merge the two closest groups until the distance of all means is at least the bound."""
    from scipy.spatial.distance import pdist, squareform

    bound = _bound(points, quantile)
    rows = canonical(labels)
    while rows.max() > 0:
        distance = squareform(pdist(group_means(points, rows)))
        np.fill_diagonal(distance, np.inf)
        first, second = divmod(int(distance.argmin()), len(distance))
        if distance[first, second] >= bound:
            break
        rows = canonical(np.where(rows == second, first, rows))
    return rows


def _to_mean(points: Points, labels: Labels) -> NDArray[np.float64]:
    return np.linalg.norm(points - group_means(points, labels)[labels], axis=1)


def _bound(points: Points, quantile: float) -> float:
    from scipy.spatial.distance import pdist

    return float(np.quantile(pdist(points), quantile)) if len(points) > 1 else 0.0
