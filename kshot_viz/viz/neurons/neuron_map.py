"""Map of the neurons of a layer in the plane: near neurons respond alike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.planar import principal_components, umap_coordinates
from kshot_viz.errors import unknown_name
from kshot_viz.seeds import child_seed
from kshot_viz.text import counted
from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.style.canvas import entitle, new_axes, text_colour, tidy
from kshot_viz.viz.style.colours import MARKERS, rgb

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.path import Path

    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping

# Up to here points have a rim; beyond, they are drawn colour by colour if there are not too many.
_FEW = 4000
_STAMPS = 200
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

    Raises
    ------
    KShotKeyError
        For an unknown method or layer.
    KShotValueError
        If the grouping was made for another network.
    """
    groups = layer_groups(grouping, layer, activations.layer(layer).width)
    embedding = neuron_embedding(activations, layer, method=method, seed=seed)
    return draw_neuron_map(embedding, layer, groups, ax=ax)


def draw_neuron_map(
    embedding: Embedding,
    layer: str,
    groups: LayerGroups,
    *,
    selected: Collection[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw an embedding like :func:`plot_neuron_map`; with a selection, the others are faint."""
    frame = _map_frame(embedding, groups)
    ax = new_axes(ax, (6.4, 5.2))
    _scatter(ax, frame, groups, selected)
    left_out = _write_numbers(ax, frame, groups) if groups.known else 0
    tidy(ax)
    _label_axes(ax, embedding)
    title = f"Neurons of {layer}, {groups.summary}"
    entitle(ax, title, _note(groups, embedding.method, left_out, len(selected)))
    return ax


def _map_frame(embedding: Embedding, groups: LayerGroups) -> pd.DataFrame:
    """Return ``neuron, group, x, y``."""
    import pandas as pd

    return pd.DataFrame(
        {
            "neuron": np.arange(len(embedding.points)),
            "group": groups.labels,
            "x": embedding.points[:, 0],
            "y": embedding.points[:, 1],
        }
    )


def _scatter(ax: Axes, frame: pd.DataFrame, groups: LayerGroups, selected: Collection[int]) -> None:
    chosen = frame["neuron"].isin(list(selected))
    colours, shapes = np.array([rgb(colour) for colour in groups.colours]), np.array(groups.shapes)
    few = len(frame) <= _FEW
    for part, alpha in ((frame[~chosen], 0.3 if len(selected) else 1.0), (frame[chosen], 1.0)):
        # Points of one colour are stamped, many times faster than points that each have their own.
        split = not few and len(colours) <= _STAMPS
        for points in (one for _, one in part.groupby("group")) if split else (part,):
            label = points["group"].to_numpy()
            drawn = ax.scatter(
                points["x"],
                points["y"],
                s=float(np.clip(9000 / len(frame), 2, 60)),
                c=None if split else colours[label],
                color=colours[label[0]] if split else None,
                alpha=alpha,
                edgecolors=text_colour(ax) if few else "face",
                linewidths=0.3 if few else 0,
            )
            if few and shapes.any() and len(label):
                drawn.set_paths([_path(shape) for shape in shapes[label].tolist()])


@cache
def _path(shape: int) -> Path:
    """Return the outline of a marker."""
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(MARKERS[shape])
    return style.get_path().transformed(style.get_transform())


def _write_numbers(ax: Axes, frame: pd.DataFrame, groups: LayerGroups) -> int:
    """Write each group's number above its middle member; return how many were left out."""
    from matplotlib.patheffects import withStroke

    size = 7.5 if len(groups.colours) > 24 else 9.5
    middles = _middles(frame)
    ax.autoscale_view()
    scale = 72 / ax.figure.get_dpi()
    at = scale * ax.transData.transform(middles[["x", "y"]].to_numpy())
    names = [groups.name(int(group)) for group in middles["group"]]
    kept = _without_overlap(at, [(0.7 * size * len(name), 1.1 * size) for name in names])
    for index in kept:
        ax.annotate(
            names[index],
            (middles["x"].iloc[index], middles["y"].iloc[index]),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=size,
            fontweight="bold",
            color=text_colour(ax),
            parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground=ax.get_facecolor())],
        )
    return len(names) - len(kept)


def _middles(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the member of each group that is nearest to its mean; largest groups first."""
    means = frame.groupby("group")[["x", "y"]].transform("mean")
    distance = np.hypot(frame["x"] - means["x"], frame["y"] - means["y"])
    nearest = frame.assign(
        distance=distance, size=frame["group"].map(frame["group"].value_counts())
    )
    ordered = nearest.sort_values(["size", "group", "distance"], ascending=[False, True, True])
    return ordered.drop_duplicates("group")


def _without_overlap(centres: NDArray[np.float64], sizes: list[tuple[float, float]]) -> list[int]:
    """Return the boxes that overlap no earlier box, greedily from the first."""
    kept: list[int] = []
    for box, (width, height) in enumerate(sizes):
        gaps = np.abs(centres[kept] - centres[box])
        rooms = np.array([[(width + sizes[k][0]) / 2, height] for k in kept]).reshape(-1, 2)
        if not (gaps < rooms).all(axis=1).any():
            kept.append(box)
    return kept


def _label_axes(ax: Axes, embedding: Embedding) -> None:
    if embedding.method == "umap":
        ax.tick_params(labelbottom=False, labelleft=False, length=0)
    ax.set_xlabel(embedding.axes[0], fontsize=10)
    ax.set_ylabel(embedding.axes[1], fontsize=10)


def _note(groups: LayerGroups, method: str, left_out: int, selected: int) -> str:
    parts = [counted(groups.labels.size, "neuron")]
    if selected:
        parts.append(f"{selected:,} selected, the others faint")
    if groups.known:
        parts.append("a number stands at the middle of its group")
    if left_out:
        parts.append(f"no room for {counted(left_out, 'number')}")
    if method == "umap":
        parts.append("only who is near whom means something")
    return "; ".join(parts)


@dataclass(frozen=True, eq=False)
class Embedding:
    """Coordinates of neurons in the plane.

    Attributes
    ----------
    points : ndarray, shape (neurons, 2)
    method : {"pca", "umap"}
    explained : tuple of two floats, or None
        Share of variance of each principal component.
    """

    points: NDArray[np.float64]
    method: str
    explained: tuple[float, float] | None

    @property
    def axes(self) -> tuple[str, str]:
        """Labels of the two axes."""
        if self.explained is None:
            return "UMAP 1", "UMAP 2"
        first, second = (f"({100 * share:.0f} % of variance)" for share in self.explained)
        return f"component 1 {first}", f"component 2 {second}"


def neuron_embedding(
    activations: Activations, layer: str, *, method: str = "pca", seed: int = 0
) -> Embedding:
    """Embed the neurons of one layer in two dimensions.

    Parameters and errors as in :func:`plot_neuron_map`.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    whole = activations.layer(layer)
    if method == "pca":
        points, explained = principal_components(np.asarray(whole.points, dtype=np.float64))
        return Embedding(points, method, explained)
    return Embedding(umap_coordinates(whole.compact, child_seed(seed, "umap", layer)), method, None)
