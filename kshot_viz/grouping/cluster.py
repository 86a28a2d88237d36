"""Cluster the neurons of each layer by how similarly they activate (Yoo et al., AAAI 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.container import Activations, LayerActivations
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.bounds import merge_close, separate_far
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels, canonical, count_from
from kshot_viz.grouping.methods import METHODS
from kshot_viz.seeds import child_seed

DEAD = ("separate", "keep")


def cluster_neurons(
    activations: Activations,
    *,
    n_groups: float | int | Mapping[str, float | int] = 0.1,
    method: str = "kmeans",
    max_within: float | None = None,
    min_between: float | None = None,
    dead: str = "separate",
    seed: int = 0,
) -> Grouping:
    """Group neurons that answer alike.

    Parameters
    ----------
    activations : Activations
        One row of features per neuron; distances between rows are what is clustered.
    n_groups : float, int or mapping of str to float or int
        A share of the layer's width (float in (0, 1]), a count (int), or either per layer. With a
        mapping, layers that are not in it are left out of the grouping and train freely. k-means
        makes fewer groups where there are fewer distinct neurons.
    method : {"kmeans", "ward", "average", "spectral", "correlation"}
        ``"correlation"`` is average linkage on one minus the correlation, blind to scale and
        offset; the others use Euclidean distance.
    max_within : float, optional
        Largest distance of a member to its group's mean, as a quantile in [0, 1] of the layer's
        neuron-to-neuron distances. Farther members become groups of their own.
    min_between : float, optional
        Smallest distance between the means of two groups, as such a quantile. Closer groups merge.
        Merging comes first, so the largest within-group distance holds in the end.
    dead : {"separate", "keep"}
        Neurons whose output never changes go to one extra, last group, or are treated as others.
    seed : int
        Seed of k-means; the layer's name is mixed in, so layers do not depend on each other.

    Returns
    -------
    Grouping

    Raises
    ------
    KShotValueError
        For more groups than neurons, a layer in which no neuron responds, or a bound outside
        [0, 1].
    KShotKeyError
        For an unknown method or layer.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if dead not in DEAD:
        raise unknown_name("dead", dead, DEAD)
    _check_quantiles(max_within=max_within, min_between=min_between)
    from threadpoolctl import threadpool_limits

    request = _Request(method, max_within, min_between, dead, seed)
    rows, dead_groups = {}, {}
    # One thread: sums in another order could move a neuron on the border between two groups.
    with threadpool_limits(limits=1):
        for name, wanted in _wanted(activations, n_groups).items():
            rows[name], silent = request.labels(activations.layer(name), name, wanted)
            if silent:
                dead_groups[name] = int(rows[name].max())
    return Grouping(rows, dead=dead_groups, origin={"n_groups": n_groups, **vars(request)})


class _Request:
    """The settings of one call, applied layer by layer."""

    def __init__(
        self,
        method: str,
        max_within: float | None,
        min_between: float | None,
        dead: str,
        seed: int,
    ) -> None:
        self.method, self.dead, self.seed = method, dead, seed
        self.max_within, self.min_between = max_within, min_between

    def labels(
        self, layer: LayerActivations, name: str, n_groups: float | int
    ) -> tuple[Labels, bool]:
        """Return the layer's labels and whether the last group holds dead neurons."""
        count = count_from(n_groups, layer.width, name)
        silent = layer.dead
        if silent.all() and layer.width > 1:
            raise KShotValueError(
                f"No neuron of layer {name!r} responds: each is constant over the "
                f"{layer.n_features} features. Are all images (or weights) the same?"
            )
        if self.dead == "keep" or silent.all() or not silent.any():
            return self._live(layer, name, count, np.arange(layer.width)), False
        live = np.flatnonzero(~silent)
        rows = np.full(layer.width, live.size, dtype=np.int64)
        rows[live] = self._live(layer, name, min(count, live.size), live)
        rows[silent] = rows[live].max() + 1
        return rows, True

    def _live(self, layer: LayerActivations, name: str, count: int, live: Labels) -> Labels:
        points = METHODS[self.method].points(layer)[live]
        rows = _labels(points, count, self.method, child_seed(self.seed, "cluster", name))
        if self.min_between is not None:
            rows = merge_close(points, rows, self.min_between)
        if self.max_within is not None:
            rows = separate_far(points, rows, self.max_within)
        return canonical(rows)


def _labels(points: NDArray[np.float64], count: int, method: str, seed: int) -> Labels:
    if count == len(points):
        return np.arange(count)
    if count == 1:
        return np.zeros(len(points), dtype=np.int64)
    return METHODS[method].labels(points, count, seed)


def _wanted(activations: Activations, n_groups: Any) -> dict[str, float | int]:
    if not isinstance(n_groups, Mapping):
        return dict.fromkeys(activations, n_groups)
    for name in n_groups:
        activations.layer(name)
    return {name: n_groups[name] for name in activations if name in n_groups}


def _check_quantiles(**bounds: float | None) -> None:
    for name, value in bounds.items():
        if value is not None and not 0 <= value <= 1:
            raise KShotValueError(
                f"`{name}` is a quantile of the layer's distances in [0, 1]; not {value!r}."
            )
