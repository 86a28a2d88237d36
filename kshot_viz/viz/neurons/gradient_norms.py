"""Gradient norms of neurons step by step, and the energy that averaging removes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.text import counted
from kshot_viz.viz.neurons.layer_groups import LayerGroups, neuron_list
from kshot_viz.viz.style.canvas import entitle, new_axes, percent_axis, text_colour, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.finetune.gradients import GradientTrace

_LINES = 60


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
