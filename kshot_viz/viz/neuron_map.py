"""The neurons of a layer as points in the plane: near means that they answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import unknown_name
from kshot_viz.seeds import child_seed
from kshot_viz.study.notes import counted
from kshot_viz.viz.canvas import entitle, ink, new_axes, tidy
from kshot_viz.viz.groups import LayerGroups, layer_groups

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping

METHODS = ("pca", "umap")
# Beyond this, finding two components by iteration is much faster than finding all of them.
_SMALL = 64


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
    left_out = _write_numbers(ax, frame, groups) if groups.known else 0
    tidy(ax)
    _label(ax, frame, method)
    entitle(ax, f"Neurons of {layer}, {groups.summary}", _note(groups, method, left_out))
    return ax


def _map_frame(
    activations: Activations, layer: str, groups: LayerGroups, method: str, seed: int
) -> pd.DataFrame:
    """Return ``neuron, group, x, y``; with PCA, ``.attrs["explained"]`` holds two shares."""
    import pandas as pd

    whole = activations.layer(layer)
    if method == "pca":
        places, explained = _principal(np.asarray(whole.points, dtype=np.float64))
    else:
        places, explained = _neighbours(whole.compact, child_seed(seed, "umap", layer)), None
    frame = pd.DataFrame(
        {
            "neuron": np.arange(whole.width),
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
        solver = "arpack" if min(points.shape) > _SMALL else "full"
        pca = PCA(n_components=kept, svd_solver=solver, random_state=0)
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


def _write_numbers(ax: Axes, frame: pd.DataFrame, groups: LayerGroups) -> int:
    """Write each group's number above its middle member; return how many found no room."""
    from matplotlib.patheffects import withStroke

    size = 7.5 if len(groups.colours) > 24 else 9.5
    middles = _middles(frame)
    ax.autoscale_view()
    scale = 72 / ax.figure.get_dpi()
    at = scale * ax.transData.transform(middles[["x", "y"]].to_numpy())
    names = [groups.name(int(group)) for group in middles["group"]]
    kept = _apart(at, [(0.7 * size * len(name), 1.1 * size) for name in names])
    for place in kept:
        ax.annotate(
            names[place],
            (middles["x"].iloc[place], middles["y"].iloc[place]),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=size,
            fontweight="bold",
            color=ink(ax),
            path_effects=[withStroke(linewidth=2.5, foreground=ax.get_facecolor())],
        )
    return len(names) - len(kept)


def _middles(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the member of each group that is nearest to its mean; largest groups first."""
    means = frame.groupby("group")[["x", "y"]].transform("mean")
    away = np.hypot(frame["x"] - means["x"], frame["y"] - means["y"])
    nearest = frame.assign(away=away, size=frame["group"].map(frame["group"].value_counts()))
    ordered = nearest.sort_values(["size", "group", "away"], ascending=[False, True, True])
    return ordered.drop_duplicates("group")


def _apart(centres: NDArray[np.float64], sizes: list[tuple[float, float]]) -> list[int]:
    """Choose, first come first served, boxes that do not overlap."""
    kept: list[int] = []
    for place, (width, height) in enumerate(sizes):
        gaps = np.abs(centres[kept] - centres[place])
        rooms = np.array([[(width + sizes[k][0]) / 2, height] for k in kept]).reshape(-1, 2)
        if not (gaps < rooms).all(axis=1).any():
            kept.append(place)
    return kept


def _label(ax: Axes, frame: pd.DataFrame, method: str) -> None:
    explained = frame.attrs["explained"]
    if method == "pca":
        names = [
            f"component {i + 1} ({100 * share:.0f} % of variance)"
            for i, share in enumerate(explained)
        ]
    else:
        names = ["UMAP 1", "UMAP 2"]
        ax.tick_params(labelbottom=False, labelleft=False, length=0)
    ax.set_xlabel(names[0], fontsize=10)
    ax.set_ylabel(names[1], fontsize=10)


def _note(groups: LayerGroups, method: str, left_out: int) -> str:
    parts = [counted(groups.labels.size, "neuron")]
    if groups.known:
        parts.append("a number stands at the middle of its group")
    if left_out:
        parts.append(f"no room for {counted(left_out, 'number')}")
    if method == "umap":
        parts.append("only who is near whom means something")
    return "; ".join(parts)
