"""The neurons of a layer as points in the plane: near means that they answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import unknown_name
from kshot_viz.seeds import child_seed
from kshot_viz.viz.canvas import counted, entitle, ink, new_axes, tidy
from kshot_viz.viz.groups import LayerGroups, layer_groups

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping

METHODS = ("pca", "umap")


def plot_neuron_map(
    activations: Activations,
    layer: str,
    grouping: Grouping | None = None,
    *,
    method: str = "pca",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the neurons of one layer in two dimensions, coloured and numbered by group.

    Parameters
    ----------
    activations : Activations
    layer : str
    grouping : Grouping, optional
    method : {"pca", "umap"}
        Principal components appear at once. UMAP (McInnes et al., 2018) keeps neighbours together
        and takes about ten seconds at its first call, when it is compiled.
    seed : int
        Seed of UMAP; principal components need none.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    KShotKeyError
        For an unknown method or layer.
    KShotValueError
        If the grouping was made for another network.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    groups = layer_groups(grouping, layer, activations.layer(layer).width)
    frame = _map_frame(activations, layer, groups, method, seed)
    ax = new_axes(ax, (6.4, 5.2))
    ax.scatter(
        frame["x"],
        frame["y"],
        s=float(np.clip(9000 / len(frame), 10, 60)),
        c=[groups.colours[group] for group in frame["group"]],
        edgecolors=ink(ax),
        linewidths=0.3,
    )
    if groups.known:
        _write_numbers(ax, frame, groups)
    tidy(ax)
    _label(ax, frame, method)
    entitle(ax, f"Neurons of {layer}, {groups.summary}", _note(len(frame), groups.known, method))
    return ax


def _map_frame(
    activations: Activations, layer: str, groups: LayerGroups, method: str, seed: int
) -> pd.DataFrame:
    """Return ``neuron, group, x, y``; with PCA, ``.attrs["explained"]`` holds two shares."""
    import pandas as pd

    points = activations.layer(layer).compact
    if method == "pca":
        places, explained = _principal(points)
    else:
        places, explained = _neighbours(points, child_seed(seed, "umap", layer)), None
    frame = pd.DataFrame(
        {
            "neuron": np.arange(len(points)),
            "group": groups.labels,
            "x": places[:, 0],
            "y": places[:, 1],
        }
    )
    frame.attrs["explained"] = explained
    return frame


def _principal(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return coordinates on two principal components and the share of variance of each."""
    from sklearn.decomposition import PCA

    places, shares = np.zeros((len(points), 2)), np.zeros(2)
    if len(points) > 1 and np.ptp(points, axis=0).any():
        kept = min(2, *points.shape)
        pca = PCA(n_components=kept, svd_solver="full")
        places[:, :kept] = pca.fit_transform(points)
        shares[:kept] = pca.explained_variance_ratio_
    return places, (float(shares[0]), float(shares[1]))


def _neighbours(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return UMAP's coordinates; layers too small for it are laid out by PCA."""
    if len(points) < 5:
        return _principal(points)[0]
    from umap import UMAP

    layout = UMAP(
        n_neighbors=min(15, len(points) - 1),
        init="pca",
        random_state=seed % 2**32,
        n_jobs=1,
    )
    return np.asarray(layout.fit_transform(points), dtype=np.float64)


def _write_numbers(ax: Axes, frame: pd.DataFrame, groups: LayerGroups) -> None:
    """Write each group's number on the member that is nearest to the group's middle."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.2, foreground=ax.get_facecolor())]
    many = len(groups.colours) > 24
    for group in range(len(groups.colours)):
        places = frame.loc[frame["group"] == group, ["x", "y"]].to_numpy()
        x, y = places[np.linalg.norm(places - places.mean(axis=0), axis=1).argmin()]
        ax.text(
            x,
            y,
            groups.name(group),
            ha="center",
            va="center",
            fontsize=7 if many else 9.5,
            fontweight="bold",
            color=ink(ax),
            path_effects=halo,
        )


def _label(ax: Axes, frame: pd.DataFrame, method: str) -> None:
    explained = frame.attrs["explained"]
    if method == "pca":
        names = [
            f"component {i + 1} ({share:.0%} of variance)" for i, share in enumerate(explained)
        ]
    else:
        names = ["UMAP 1", "UMAP 2"]
        ax.tick_params(labelbottom=False, labelleft=False)
    ax.set_xlabel(names[0], fontsize=10)
    ax.set_ylabel(names[1], fontsize=10)


def _note(width: int, known: bool, method: str) -> str:
    numbers = "; a number stands in the middle of its group" if known else ""
    caveat = "; only who is near whom means something" if method == "umap" else ""
    return f"{counted(width, 'neuron')}{numbers}{caveat}"
