"""One layer's neurons, clustered once and cut into groups as often as asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from kshot_viz.activations.activations import LayerActivations
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.clustering.bounds import merge_close, separate_far
from kshot_viz.grouping.clustering.methods import METHODS, Cut
from kshot_viz.grouping.labels import Labels, canonical, count_from
from kshot_viz.seeds import child_seed


class ClusteredLayer:
    """The clustering of one layer: a dendrogram, or the k-means already made.

    Parameters
    ----------
    layer : LayerActivations
    name : str
        Mixed into the seed, so layers do not depend on each other.
    method, dead, seed
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
        dead: str = "separate",
        seed: int = 0,
    ) -> None:
        silent = layer.dead
        if silent.all() and layer.width > 1:
            raise KShotValueError(
                f"No neuron of layer {name!r} responds: each is constant over the "
                f"{layer.n_features} features. Are all images (or weights) the same?"
            )
        apart = dead == "separate" and silent.any() and not silent.all()
        self._name, self.width = name, layer.width
        self._silent = silent if apart else np.zeros_like(silent)
        self._points = METHODS[method].points(layer)[~self._silent]
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
