"""Metrics of a grouping before training: sizes, distances, silhouette, kept gradient energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.labels import Labels, canonical

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.activations import Activations

Groups = Mapping[str, Labels]


def energy_kept(gradient: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of a gradient's energy that survives averaging inside the groups.

    Parameters
    ----------
    gradient : array_like, shape (neurons, ...)
        Gradient of the loss by a tensor whose first axis is neurons.
    labels : array_like of int, shape (neurons,)

    Returns
    -------
    float
        ``|P g|^2 / |g|^2`` in [0, 1]; NaN for a zero gradient.

    Raises
    ------
    KShotValueError
        When the gradient has not one row a neuron.
    """
    groups, values = canonical(labels), np.asarray(gradient, dtype=np.float64)
    if len(values) != groups.size:
        raise KShotValueError(f"The gradient has {len(values)} neurons, the labels {groups.size}.")
    rows = values.reshape(groups.size, -1)
    total = float((rows**2).sum())
    if total == 0.0:
        return float("nan")
    return float((group_means(rows, groups)[groups] ** 2).sum()) / total


def energy_kept_by_chance(gradient: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of :func:`energy_kept` over all groups of the same sizes.

    For n neurons in k groups with gradients r: the square of a group's sum over its size s is in
    the mean S / n + (s - 1) / (n (n - 1)) (|sum of all r|^2 - S), with S the sum of all |r|^2.
    """
    sizes, values = np.bincount(canonical(labels)), np.asarray(gradient, dtype=np.float64)
    rows = values.reshape(len(values), -1)
    n, k, own = len(rows), len(sizes), float((rows**2).sum())
    if own == 0.0:
        return float("nan")
    cross = float((rows.sum(axis=0) ** 2).sum()) - own
    return k / n + (n - k) / (n * max(n - 1, 1)) * cross / own


def group_means(points: NDArray[np.floating], labels: Labels) -> NDArray[np.float64]:
    """Return the mean point of every group, shape (groups, dimensions)."""
    sums = np.zeros((int(labels.max()) + 1, points.shape[1]))
    np.add.at(sums, labels, points)
    return sums / np.bincount(labels)[:, None]


def adjusted_rand(first: Groups, second: Groups) -> pd.Series[float]:
    """Return the adjusted Rand index of every common layer (Hubert & Arabie, 1985)."""
    import pandas as pd
    from sklearn.metrics import adjusted_rand_score

    common = [name for name in first if name in second]
    if not common:
        raise KShotValueError(f"No common layer: {list(first)} and {list(second)}.")
    for name in common:
        if first[name].size != second[name].size:
            raise KShotValueError(
                f"Layer {name!r} has {first[name].size} neurons in one grouping and "
                f"{second[name].size} in the other."
            )
    scores = {name: adjusted_rand_score(first[name], second[name]) for name in common}
    return pd.Series(scores, name="adjusted_rand", dtype=float)


def group_report(
    grouping: Groups,
    activations: Activations,
    gradients: Mapping[str, ArrayLike] | None = None,
) -> pd.DataFrame:
    """Describe a grouping layer by layer.

    Parameters
    ----------
    grouping : Grouping, or mapping of layer to canonical labels
    activations : Activations
        Of the same network; layers it lacks are an error.
    gradients : mapping of str to array_like, optional
        Layer -> gradient with one row a neuron, as ``neuron_gradients`` gives.

    Returns
    -------
    DataFrame
        Index ``layer``; columns ``neurons, groups, largest, singletons, silhouette, within,
        between, energy_kept``. ``within`` is the mean distance of a neuron to its group's mean,
        ``between`` the mean distance between group means, both in units of activation.
        ``silhouette`` is NaN for one group or all singletons.
    """
    import pandas as pd

    rows = {name: _layer_report(grouping, activations, name) for name in grouping}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index.name = "layer"
    frame["energy_kept"] = [_energy_kept(grouping, gradients, name) for name in grouping]
    return frame


def _energy_kept(grouping: Groups, gradients: Mapping[str, ArrayLike] | None, layer: str) -> float:
    if gradients is None:
        return float("nan")
    if layer not in gradients:
        raise unknown_name("layer", layer, gradients)
    return energy_kept(gradients[layer], grouping[layer])


def _layer_report(grouping: Groups, activations: Activations, layer: str) -> dict[str, Any]:
    labels, sizes = grouping[layer], np.bincount(grouping[layer])
    points = activations.layer(layer).compact
    if len(points) != labels.size:
        raise KShotValueError(
            f"Layer {layer!r} has {labels.size} neurons in the grouping but {len(points)} in the "
            f"activations."
        )
    means = group_means(points, labels)
    return {
        "neurons": labels.size,
        "groups": sizes.size,
        "largest": int(sizes.max()),
        "singletons": int((sizes == 1).sum()),
        "silhouette": _silhouette(points, labels),
        "within": float(np.linalg.norm(points - means[labels], axis=1).mean()),
        "between": _mean_distance(means),
    }


def _silhouette(points: NDArray[np.float64], labels: Labels) -> float:
    from sklearn.metrics import silhouette_score

    if not 1 < labels.max() + 1 < labels.size:
        return float("nan")
    return float(silhouette_score(points, labels))


def _mean_distance(means: NDArray[np.float64]) -> float:
    from scipy.spatial.distance import pdist

    return float(pdist(means).mean()) if len(means) > 1 else float("nan")
