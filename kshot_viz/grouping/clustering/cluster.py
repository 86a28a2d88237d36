"""Cluster the neurons of each layer by how similarly they activate (Yoo et al., AAAI 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kshot_viz.activations.activations import Activations
from kshot_viz.checks import checked, instance, number, optional, text, whole
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.clustering.cluster_cache import ClusteredLayer
from kshot_viz.grouping.clustering.methods import METHODS, check_metric
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.threads import one_thread

DEAD = ("separate", "keep")


@checked(
    activations=instance(Activations),
    method=text,
    metric=text,
    max_within=optional(number(0)),
    min_between=optional(number(0)),
    dead=text,
    seed=whole(0),
)
def cluster_neurons(
    activations: Activations,
    *,
    n_groups: float | int | Mapping[str, float | int] = 0.1,
    method: str = "kmeans",
    metric: str = "euclidean",
    max_within: float | None = None,
    min_between: float | None = None,
    dead: str = "separate",
    seed: int = 0,
) -> Grouping:
    """Group neurons that activate alike.

    Parameters
    ----------
    activations : Activations
        One row of features per neuron; distances between rows are what is clustered.
    n_groups : float, int or mapping of str to float or int
        A share of the layer's width (float in (0, 1]), a count (int), or either per layer. With a
        mapping, layers that are not in it are left out of the grouping and train freely. k-means
        and spectral clustering make fewer groups where there are fewer distinct neurons.
    method : {"kmeans", "ward", "average", "spectral", "correlation"}
        ``"correlation"`` is average linkage on one minus the correlation, blind to scale and
        offset; the others use distances as ``metric`` says.
    metric : {"euclidean", "cosine", "correlation", "squared_correlation"}
        What makes two neurons alike: small Euclidean distances between their activations, or a
        large similarity ``s``, as a distance ``sqrt(2 - 2 s)``. The square of the correlation
        finds neurons alike that do the opposite of each other.
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
        For an unknown method, metric or layer.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if dead not in DEAD:
        raise unknown_name("dead", dead, DEAD)
    check_metric(metric, method)
    check_bounds(max_within=max_within, min_between=min_between)
    rows, last = {}, {}
    # One thread: sums in another order could move a neuron on the border between two groups.
    with one_thread():
        for name, wanted in _wanted(activations, n_groups).items():
            layer = ClusteredLayer(
                activations.layer(name),
                name,
                method=method,
                metric=metric,
                dead=dead,
                seed=seed,
            )
            rows[name], last[name] = layer.labels(
                wanted, max_within=max_within, min_between=min_between
            )
    origin = {
        "n_groups": n_groups,
        "method": method,
        "max_within": max_within,
        "min_between": min_between,
        "dead": dead,
        "seed": seed,
        # Groupings of before have none, and keep their keys.
        **({} if metric == "euclidean" else {"metric": metric}),
    }
    return Grouping(rows, dead=last, origin=origin)


def _wanted(activations: Activations, n_groups: Any) -> dict[str, float | int]:
    if not isinstance(n_groups, Mapping):
        return dict.fromkeys(activations, n_groups)
    for name in n_groups:
        activations.layer(name)
    return {name: n_groups[name] for name in activations if name in n_groups}


def check_bounds(**bounds: float | Mapping[str, float | None] | None) -> None:
    """Raise a KShotValueError for a bound outside [0, 1], of all layers or of one."""
    for name, bound in bounds.items():
        for value in bound.values() if isinstance(bound, Mapping) else [bound]:
            if value is not None and (number(0)(value) or value > 1):
                raise KShotValueError(
                    f"`{name}` is a quantile of the layer's distances in [0, 1]; not {value!r}."
                )
