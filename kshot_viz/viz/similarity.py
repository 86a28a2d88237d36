"""How alike the neurons of a layer answer, with the groups as blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.study.notes import counted
from kshot_viz.viz.canvas import bare, entitle, new_axes
from kshot_viz.viz.groups import LayerGroups, layer_groups

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping

AT_MOST = 2000
# A strip and its number need this share of the picture's side to be readable.
_ROOM = 0.022


def plot_similarity(
    activations: Activations,
    layer: str,
    grouping: Grouping | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the correlation between the neurons of one layer, ordered by group.

    Parameters
    ----------
    activations : Activations
    layer : str
    grouping : Grouping, optional
        Gives the order and the framed blocks; without it neurons stand in the network's order.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    KShotKeyError
        If the layer was not captured, or is not in the grouping.
    KShotValueError
        If the grouping was made for another network.

    Notes
    -----
    Of a layer with more than 2,000 neurons, evenly spaced ones are drawn, and the figure says so.
    Dead neurons have no correlation; it is drawn as zero.
    """
    groups = layer_groups(grouping, layer, activations.layer(layer).width)
    frame = _similarity_frame(activations, layer, groups)
    ax = new_axes(ax, (6.2, 5.3))
    image = ax.imshow(frame, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.7, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.set_label("correlation of activations", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bare(ax)
    if groups.known:
        _frame_blocks(ax, _blocks(groups.labels[frame.index.to_numpy()]), groups)
    entitle(ax, f"Similarity in {layer}, {groups.summary}", _note(groups, len(frame)))
    return ax


def _similarity_frame(activations: Activations, layer: str, groups: LayerGroups) -> pd.DataFrame:
    """Return the correlation matrix, ordered by group; index and columns are neurons."""
    import pandas as pd

    whole = activations.layer(layer)
    order = groups.order(AT_MOST)
    part = replace(whole, points=whole.points[order], mean=whole.mean[order], std=whole.std[order])
    return pd.DataFrame(part.correlation(), index=order, columns=order)


def _blocks(labels: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return ``group, start, size`` of each run in ordered labels."""
    found, starts, sizes = np.unique(labels, return_index=True, return_counts=True)
    return list(zip(found.tolist(), starts.tolist(), sizes.tolist(), strict=True))


def _frame_blocks(ax: Axes, blocks: list[tuple[int, int, int]], groups: LayerGroups) -> None:
    """Frame every group on the diagonal and colour its stretch of the left side."""
    from matplotlib.patches import Rectangle

    total = sum(size for _, _, size in blocks)
    wide, apart = 0.025 * total, 0.008 * total
    for group, start, size in blocks:
        near, colour = start - 0.5, groups.colours[group]
        beside = (-0.5 - apart - wide, near)
        ax.add_patch(Rectangle(beside, wide, size, color=colour, linewidth=0, clip_on=False))
        ax.add_patch(Rectangle((near, near), size, size, fill=False, edgecolor="k", linewidth=0.8))
    _write_numbers(ax, [block for block in blocks if block[2] >= _ROOM * total], groups)


def _write_numbers(ax: Axes, blocks: list[tuple[int, int, int]], groups: LayerGroups) -> None:
    ax.set_yticks([start + size / 2 - 0.5 for _, start, size in blocks])
    ax.set_yticklabels([groups.name(group) for group, _, _ in blocks], fontsize=8)
    ax.tick_params(axis="y", length=0, pad=13)
    ax.set_ylabel("group", fontsize=10)


def _note(groups: LayerGroups, drawn: int) -> str:
    width = groups.labels.size
    count = f"{drawn:,} of {counted(width, 'neuron')} drawn" if drawn < width else ""
    neurons = count or counted(width, "neuron")
    return f"{neurons}, framed by group" if groups.known else f"{neurons}, in the network's order"
