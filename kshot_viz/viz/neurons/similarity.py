"""Correlation between the neurons of a layer, with the groups as blocks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.text import counted
from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.style.canvas import bare, colour_bar, entitle, new_axes, text_colour

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.activations import Activations
    from kshot_viz.grouping.grouping import Grouping

AT_MOST = 2000
COLOURS = "RdBu_r"
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
        Gives the order and the framed blocks; without it neurons are in the network's order.
    ax : Axes, optional
        Where to draw; a new figure by default.

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
    frame = _correlations(activations, layer, groups.order(AT_MOST))
    return draw_similarity(frame, layer, groups, ax=ax)


def draw_similarity(
    frame: pd.DataFrame,
    layer: str,
    groups: LayerGroups,
    *,
    selected: Collection[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a correlation matrix like :func:`plot_similarity`; selected neurons are marked below.

    The index and the columns of ``frame`` are neurons, ordered by group.
    """
    ax = new_axes(ax, (6.2, 5.3))
    image = ax.imshow(frame, cmap=COLOURS, vmin=-1, vmax=1, interpolation="nearest")
    colour_bar(ax, image, "correlation of activations", [-1, -0.5, 0, 0.5, 1])
    bare(ax)
    if groups.known:
        _frame_blocks(ax, _blocks(groups.labels[frame.index.to_numpy()]), groups)
    marked = np.flatnonzero(frame.index.isin(list(selected)))
    _mark(ax, marked, len(frame))
    title, note = caption(layer, groups, len(frame))
    entitle(ax, title, note + (f"; {len(marked):,} selected, marked below" if len(marked) else ""))
    return ax


def correlations(activations: Activations, layer: str) -> pd.DataFrame:
    """Return the correlation matrix in the network's order; index and columns are neurons.

    Of more than ``AT_MOST`` neurons, evenly spaced ones are taken.
    """
    width = activations.layer(layer).width
    kept = np.arange(min(AT_MOST, width)) * width // min(AT_MOST, width)
    return _correlations(activations, layer, kept).astype(np.float32)


def by_group(matrix: pd.DataFrame, groups: LayerGroups) -> pd.DataFrame:
    """Bring a correlation matrix into the order of the groups."""
    order = np.argsort(groups.labels[matrix.index.to_numpy()], kind="stable")
    return matrix.iloc[order, order]


def _correlations(activations: Activations, layer: str, neurons: NDArray[np.int64]) -> pd.DataFrame:
    import pandas as pd

    whole = activations.layer(layer)
    part = replace(
        whole, points=whole.points[neurons], mean=whole.mean[neurons], std=whole.std[neurons]
    )
    return pd.DataFrame(part.correlation(), index=neurons, columns=neurons)


def _blocks(labels: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return ``group, start, size`` of each run in ordered labels."""
    found, starts, sizes = np.unique(labels, return_index=True, return_counts=True)
    return list(zip(found.tolist(), starts.tolist(), sizes.tolist(), strict=True))


def _frame_blocks(ax: Axes, blocks: list[tuple[int, int, int]], groups: LayerGroups) -> None:
    """Frame every group on the diagonal and colour its stretch of the left side."""
    from matplotlib.patches import Rectangle

    total = sum(size for _, _, size in blocks)
    wide, gap = 0.025 * total, 0.008 * total
    for group, start, size in blocks:
        near, colour = start - 0.5, groups.colours[group]
        beside = (-0.5 - gap - wide, near)
        ax.add_patch(Rectangle(beside, wide, size, color=colour, linewidth=0, clip_on=False))
        frame = Rectangle((near, near), size, size, fill=False, edgecolor="k", linewidth=0.8)
        frame.set_clip_on(False)
        ax.add_patch(frame)
    _write_numbers(ax, [block for block in blocks if block[2] >= _ROOM * total], groups)


def _write_numbers(ax: Axes, blocks: list[tuple[int, int, int]], groups: LayerGroups) -> None:
    ax.set_yticks([start + size / 2 - 0.5 for _, start, size in blocks])
    names = [groups.name(group) for group, _, _ in blocks]
    ax.set_yticklabels(names, fontsize=8, parse_math=False)
    ax.tick_params(axis="y", length=0, pad=13)
    ax.set_ylabel("group", fontsize=10)


def _mark(ax: Axes, rows: NDArray[np.int64], total: int) -> None:
    """Mark rows of the matrix along its lower side."""
    if not len(rows):
        return
    near = total - 0.5 + 0.008 * total
    ax.vlines(rows, near, near + 0.025 * total, colors=text_colour(ax), linewidth=1.6)
    ax.set_ylim(near + 0.03 * total, -0.5)
    ax.set_xlim(-0.5, total - 0.5)


def caption(layer: str, groups: LayerGroups, drawn: int) -> tuple[str, str]:
    """Return the title of a matrix of ``drawn`` neurons, and its note."""
    width = groups.labels.size
    count = f"{drawn:,} of {counted(width, 'neuron')} drawn" if drawn < width else ""
    order = "framed by group" if groups.known else "in the network's order"
    title = f"Similarity in {layer}, {groups.summary}"
    return title, f"{count or counted(width, 'neuron')}, {order}"
