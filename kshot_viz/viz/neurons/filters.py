"""Kernels of a convolution, framed in the colour of their group."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.labels import indices
from kshot_viz.text import counted
from kshot_viz.viz.neurons.layer_groups import LayerGroups, layer_groups
from kshot_viz.viz.style.canvas import bare, entitle, new_axes
from kshot_viz.viz.style.colours import rgb, text_on
from kshot_viz.viz.style.intervals import shortened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.models.backbone import Backbone

AT_MOST = 1024
# What fits into a frame.
_LETTERS = 8
# A cell in pixels: the kernel inside a frame that is higher above it, where the number is.
_KERNEL, _SIDE, _TOP, _GAP = 42, 4, 13, 3
_CELL_WIDTH = _KERNEL + 2 * _SIDE + _GAP
_CELL_HEIGHT = _KERNEL + _TOP + _SIDE + _GAP


def plot_filters(
    backbone: Backbone,
    grouping: Grouping | None = None,
    *,
    layer: str | None = None,
    neurons: Collection[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the kernels of a convolution, ordered by group.

    Each kernel is scaled to its own largest weight: grey is zero. Kernels with three input channels
    are drawn in colour; with more, their mean over the input channels is drawn. The number in the
    frame is the group, and above a kernel without a grouping it is the neuron.

    Parameters
    ----------
    backbone : Backbone
    grouping : Grouping, optional
        Frames and order; without it the kernels are in the network's order.
    layer : str, optional
        A ``Conv2d`` layer; the first one by default.
    neurons : collection of int, optional
        Draw these kernels only.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotKeyError
        If the network or the grouping has no such layer.
    KShotValueError
        If the layer is not a two-dimensional convolution, or ``neurons`` is empty or out of range.
    """
    name = _convolution(backbone, layer)
    groups = layer_groups(grouping, name, backbone.layer(name).width)
    frame = _filters_frame(groups, neurons)
    kernels = _kernel_images(backbone, name)
    picture = _mosaic(frame, kernels, groups)
    ax = new_axes(ax, _figure_size(picture))
    ax.imshow(picture, interpolation="nearest")
    bare(ax)
    ax.set_anchor("W")
    _write_numbers(ax, frame, groups)
    entitle(ax, f"Filters of {name}, {groups.summary}", _note(backbone, groups, name, len(frame)))
    return ax


def _convolution(backbone: Backbone, layer: str | None) -> str:
    found = [name for name, info in backbone.layers.items() if len(info.weight_shape) == 4]
    if layer is None and found:
        return found[0]
    if layer is not None and len(backbone.layer(layer).weight_shape) == 4:
        return layer
    given = "There is none" if layer is None else f"{layer!r} is a {backbone.layer(layer).kind}"
    raise KShotValueError(
        f"Filters are drawn for Conv2d layers. {given} in {backbone.name!r}; its Conv2d layers: "
        f"{', '.join(map(repr, found)) or 'none'}."
    )


def _filters_frame(groups: LayerGroups, neurons: Collection[int] | None = None) -> pd.DataFrame:
    """Return the cell of each kernel: ``neuron, group, row, column``, ordered by group."""
    import pandas as pd

    order = groups.order(AT_MOST if neurons is None else groups.labels.size)
    if neurons is not None:
        order = order[np.isin(order, indices(neurons, order.size, "The layer has neurons"))]
        order = order[:AT_MOST]
    columns = int(max(min(order.size, 8), np.ceil(np.sqrt(1.6 * order.size))))
    cell = np.arange(order.size)
    return pd.DataFrame(
        {
            "neuron": order,
            "group": groups.labels[order],
            "row": cell // columns,
            "column": cell % columns,
        }
    )


def _kernel_images(backbone: Backbone, layer: str) -> NDArray[np.float64]:
    """Return each kernel as a picture in [0, 1] with zero at 0.5, (neurons, H, W, 3)."""
    weight = backbone.module.get_submodule(layer).weight.detach().double().cpu().numpy()  # type: ignore[operator,union-attr]
    if weight.shape[1] != 3:
        weight = np.repeat(weight.mean(axis=1, keepdims=True), 3, axis=1)
    elif getattr(backbone.preprocess, "channels", "RGB") == "BGR":
        weight = weight[:, ::-1]
    largest = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
    return (0.5 + weight / np.where(largest == 0, 1, 2 * largest)).transpose(0, 2, 3, 1)


def _mosaic(
    frame: pd.DataFrame, kernels: NDArray[np.float64], groups: LayerGroups
) -> NDArray[np.float64]:
    """Return all framed kernels as one picture with a transparent ground, (H, W, 4)."""
    height = (int(frame["row"].max()) + 1) * _CELL_HEIGHT
    width = (int(frame["column"].max()) + 1) * _CELL_WIDTH
    picture = np.zeros((height, width, 4))
    rows, columns = (np.arange(_KERNEL) * size // _KERNEL for size in kernels.shape[1:3])
    for neuron, group, row, column in frame.itertuples(index=False):
        top, left = row * _CELL_HEIGHT, column * _CELL_WIDTH
        cell = picture[top : top + _CELL_HEIGHT - _GAP, left : left + _CELL_WIDTH - _GAP]
        cell[:] = (*rgb(groups.colours[group]), 1.0)
        cell[_TOP : _TOP + _KERNEL, _SIDE : _SIDE + _KERNEL, :3] = kernels[neuron][
            np.ix_(rows, columns)
        ]
    return picture


def _write_numbers(ax: Axes, frame: pd.DataFrame, groups: LayerGroups) -> None:
    few = len(frame) <= 256
    first = frame["group"] != frame["group"].shift()
    for neuron, group, row, column in frame[first | few].itertuples(index=False):
        ax.text(
            column * _CELL_WIDTH + _SIDE + _KERNEL / 2,
            row * _CELL_HEIGHT + _TOP / 2,
            shortened(groups.name(group), _LETTERS) if groups.known else str(neuron),
            ha="center",
            va="center_baseline",
            fontsize=6.5 if few else 5,
            color=text_on(groups.colours[group]),
            parse_math=False,
        )


def _figure_size(picture: NDArray[np.float64]) -> tuple[float, float]:
    height, width = picture.shape[:2]
    scale = min(1 / 75, 11 / width, 11 / height)
    return max(6.0, width * scale), max(1.5, height * scale + 0.6)


def _note(backbone: Backbone, groups: LayerGroups, layer: str, drawn: int) -> str:
    info = backbone.layer(layer)
    channels = info.weight_shape[1]
    number = "group" if groups.known else "neuron"
    parts = [f"the number is the {number}", "grey is 0, each kernel on its own scale"]
    if channels not in (1, 3):
        parts.append(f"mean over {channels} input channels")
    if drawn < info.width:
        parts.append(f"{drawn:,} of {counted(info.width, 'neuron')} drawn")
    return "; ".join(parts)
