"""Responses of selected neurons to classes and images, and their gradients while training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.activations.capture import standardised_responses
from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted, formatted
from kshot_viz.viz.neurons.layer_groups import LayerGroups, neuron_list
from kshot_viz.viz.style.canvas import (
    bare,
    entitle,
    new_axes,
    percent_axis,
    rows_axis,
    text_colour,
    tidy,
)
from kshot_viz.viz.style.intervals import shortened
from kshot_viz.viz.style.thumbnails import transparent_thumbnail

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.finetune.gradients import GradientTrace

# More classes than this cannot be read below one another.
_CLASSES = 24
_LINES = 60
_IMAGES = 12
_COLUMNS = 6
_SIDE = 64


def plot_class_activations(
    responses: NDArray[np.float64],
    labels: ArrayLike,
    groups: LayerGroups,
    neurons: Sequence[int],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean activation of neurons for each class: each neuron faint, their mean bold.

    Parameters
    ----------
    responses : ndarray, shape (neurons, images)
        As :func:`kshot_viz.activations.capture.image_responses` returns them.
    labels : array_like, shape (images,)
        Class of each image.
    groups : LayerGroups
        Colours of the neurons.
    neurons : sequence of int
    ax : Axes, optional

    Raises
    ------
    KShotValueError
        If no neuron is given, or labels and images differ in number.
    """
    frame = _class_frame(responses, labels, neurons)
    mean = frame.mean(axis=1).sort_values(ascending=False)
    half = _CLASSES // 2
    kept = mean if len(mean) <= _CLASSES else mean.iloc[np.r_[:half, -half:0]]
    ax = new_axes(ax, (6.4, 1.4 + 0.2 * max(5, len(kept))))
    rows = np.arange(len(kept))
    for neuron in list(neurons)[:_LINES]:
        values, colour = frame.loc[kept.index, neuron], groups.colour(neuron)
        ax.plot(values, rows, "o", color=colour, markersize=4, alpha=0.6, markeredgewidth=0)
    ax.plot(kept, rows, "|", color=text_colour(ax), markersize=13, markeredgewidth=2.4)
    ax.axvline(0, color=text_colour(ax), alpha=0.3, linewidth=0.8)
    rows_axis(ax, [str(name) for name in kept.index])
    ax.set_xlabel("mean activation, in the neuron's own standard deviations", fontsize=10)
    entitle(ax, "Mean activation per class", _class_note(len(neurons), len(mean), len(kept)))
    return ax


def plot_top_images(
    images: Any,
    responses: NDArray[np.float64],
    neurons: Sequence[int],
    *,
    labels: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the images with the strongest responses of neurons, strongest first.

    Parameters
    ----------
    images : image batch
    responses : ndarray, shape (neurons, images)
    neurons : sequence of int
        Of several neurons the mean counts, each in its own standard deviations.
    labels : array_like, optional
        Class of each image, written above it.
    ax : Axes, optional

    Raises
    ------
    KShotValueError
        If no neuron is given.
    """
    frame = _top_images_frame(responses, neurons)
    ax = new_axes(ax, (6.4, 3.0))
    rows = -(-len(frame) // _COLUMNS)
    tall, wide = _SIDE + 16, _SIDE + 6
    picture = np.zeros((rows * tall, min(_COLUMNS, len(frame)) * wide, 4))
    for cell, (image, strength) in enumerate(frame.itertuples(index=False)):
        top, left = (cell // _COLUMNS) * tall + 16, (cell % _COLUMNS) * wide
        small = transparent_thumbnail(images, int(image), _SIDE)
        picture[top : top + _SIDE, left : left + _SIDE] = small
        name = "" if labels is None else str(np.asarray(labels)[int(image)])
        above = formatted(strength, "+.1f").replace("-", "\N{MINUS SIGN}")
        ax.text(
            left,
            top - 3,
            f"{shortened(name, 8)}  {above}".strip(),
            fontsize=8,
            va="bottom",
            color=text_colour(ax),
            parse_math=False,
        )
    ax.imshow(picture, interpolation="nearest")
    bare(ax)
    scale = "standard deviations above the neuron's mean"
    of = f"{len(frame)} of {counted(responses.shape[1], 'image')}"
    entitle(ax, "Most exciting images", f"{counted(len(neurons), 'neuron')}; {of}; {scale}")
    return ax


def _class_frame(
    responses: NDArray[np.float64], labels: ArrayLike, neurons: Sequence[int]
) -> pd.DataFrame:
    """Return the mean standardised response: a row a class, a column a neuron."""
    import pandas as pd

    chosen, names = neuron_list(neurons), np.asarray(labels)
    if names.size != responses.shape[1]:
        raise KShotValueError(
            f"`labels` has {names.size} entries, but there are {responses.shape[1]} images."
        )
    rows = pd.DataFrame(standardised_responses(responses[chosen]).T, columns=chosen)
    return rows.groupby(names).mean()


def _top_images_frame(responses: NDArray[np.float64], neurons: Sequence[int]) -> pd.DataFrame:
    """Return ``image, strength`` of the images with the strongest mean response."""
    import pandas as pd

    strength = standardised_responses(responses[neuron_list(neurons)]).mean(axis=0)
    best = np.argsort(-strength, kind="stable")[:_IMAGES]
    return pd.DataFrame({"image": best, "strength": strength[best]})


def _class_note(neurons: int, classes: int, drawn: int) -> str:
    parts = [f"{counted(neurons, 'neuron')}; a dot is a neuron, the bar their mean"]
    if neurons > _LINES:
        parts.append(f"dots of the first {_LINES}")
    if drawn < classes:
        parts.append(f"the {drawn // 2} highest and lowest of {classes} classes")
    return "; ".join(parts)


def plot_gradients(
    trace: GradientTrace,
    groups: LayerGroups,
    neurons: Sequence[int],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the gradient's length of each neuron (left) and what averaging removed (right).

    Parameters
    ----------
    trace : GradientTrace
    groups : LayerGroups
        Of the same layer and grouping: colours, and which neurons share a gradient.
    neurons : sequence of int
        Lines on the left; on the right their whole groups count.
    ax : Axes, optional

    Returns
    -------
    Axes
        That of the lengths; the share removed is on its twin.

    Raises
    ------
    KShotValueError
        If no neuron is given.
    """
    frame = _gradient_frame(trace, groups, neurons)
    ax = new_axes(ax, (6.4, 3.2))
    right = percent_axis(ax, "removed by averaging, % of energy")
    for neuron in list(neurons)[:_LINES]:
        ax.plot(frame["step"], frame[neuron], color=groups.colour(neuron), linewidth=1.2, alpha=0.8)
    right.plot(frame["step"], frame["removed"], color=text_colour(ax), linestyle="--", linewidth=2)
    tidy(ax, grid="y")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("step", fontsize=10)
    ax.set_ylabel("length of the gradient", fontsize=10)
    entitle(ax, "Gradient over steps", _note(frame, len(neurons)))
    return ax


def _gradient_frame(
    trace: GradientTrace, groups: LayerGroups, neurons: Sequence[int]
) -> pd.DataFrame:
    """Return ``step, removed`` (percent, of whole groups) and a column of lengths per neuron."""
    import pandas as pd

    chosen = neuron_list(neurons)
    together = np.flatnonzero(np.isin(groups.labels, groups.labels[chosen]))
    frame = pd.DataFrame(trace.alone[:, chosen], columns=chosen)
    frame.insert(0, "step", range(len(frame)))
    frame.insert(1, "removed", 100 * trace.removed(together))
    return frame


def _note(frame: pd.DataFrame, neurons: int) -> str:
    mean = frame["removed"].mean()
    parts = [f"{counted(neurons, 'neuron')}, coloured by group"]
    if neurons > _LINES:
        parts.append(f"lines of the first {_LINES}")
    if np.isfinite(mean):
        parts.append(f"dashed: averaging in their groups removed {mean:.0f} % of the energy")
    return "; ".join(parts)
