"""The groups of a layer in one figure, with the accuracy before and after they were edited."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.text import counted
from kshot_viz.viz.comparison.selection import records
from kshot_viz.viz.neurons.group_sizes import plot_group_sizes
from kshot_viz.viz.neurons.layer_groups import LayerGroups
from kshot_viz.viz.neurons.neuron_map import Embedding, draw_neuron_map
from kshot_viz.viz.neurons.similarity import draw_similarity
from kshot_viz.viz.style.canvas import entitle, new_axes, rows_axis, text_colour
from kshot_viz.viz.style.colours import method_styles
from kshot_viz.viz.style.intervals import beside, interval, interval_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIRST = "#6E6E6E"


def explorer_figure(
    embedding: Embedding,
    similarity: pd.DataFrame,
    layer: str,
    groups: LayerGroups,
    grouping: Grouping,
    *,
    selected: Collection[int] = (),
    score: pd.DataFrame | None = None,
    note: str = "",
) -> Figure:
    """Draw the content of a :class:`GroupExplorer`, for pages without a running kernel.

    ``similarity`` is in the order of the groups, ``grouping`` has all layers, and ``score`` with
    its ``note`` is drawn as by :func:`plot_rescoring`.
    """
    from matplotlib.figure import Figure

    rows = [
        part for part, drawn in (("sizes", groups.known), ("score", score is not None)) if drawn
    ]
    figure = Figure(figsize=(12.8, 5.3 + 1.9 * len(rows)), layout="constrained")
    heights = [5.3, *[1.9] * len(rows)]
    mosaic: Any = [["map", "similarity"], *([part, part] for part in rows)]
    axes = figure.subplot_mosaic(mosaic, height_ratios=heights)
    draw_neuron_map(embedding, layer, groups, selected=selected, ax=axes["map"])
    draw_similarity(similarity, layer, groups, selected=selected, ax=axes["similarity"])
    if groups.known:
        plot_group_sizes(grouping.only([layer]), ax=axes["sizes"])
    if score is not None:
        plot_rescoring(score, note=note, ax=axes["score"])
    return figure


def plot_rescoring(frame: pd.DataFrame, *, note: str = "", ax: Axes | None = None) -> Axes:
    """Draw the accuracy of groupings below one another, with their difference to the first.

    Parameters
    ----------
    frame : DataFrame
        As :meth:`kshot_viz.study.searches.rescoring.Rescoring.compare` returns it.
    note : str
        Added to the note of the figure.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If there is no row.
    """
    if not len(frame):
        raise KShotValueError("There is no score to draw.")
    ax = new_axes(ax, (6.4, 1.5 + 0.55 * len(frame)))
    shown = _rescoring_frame(frame)
    grouped = method_styles(["grouped"])["grouped"]
    styles = [replace(grouped, colour=_FIRST), *[grouped] * (len(shown) - 1)]
    look = {"marker": "o", "linestyle": "none", "markersize": 8, "elinewidth": 2}
    for row, part in enumerate(records(shown)):
        interval(ax, part["value"], row, shown.iloc[[row]], styles[row], "x", **look)
        ax.annotate(
            f"{part['value']:.1f} %",
            (part["value"], row),
            (0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=text_colour(ax),
        )
        beside(ax, row, part["beside"])
    if len(shown) > 1:
        beside(ax, -0.5, "difference, points")
    rows_axis(ax, shown["name"].tolist(), above=0.75, below=0.5, labelsize=10)
    ax.margins(x=0.12)
    ax.set_xlabel("accuracy, %", fontsize=10)
    entitle(ax, "k-shot accuracy of the grouping", _note(frame, note))
    return ax


def _rescoring_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``name, value, low, high, beside`` in percent."""
    shown = frame[["name"]].copy()
    shown[["value", "low", "high"]] = 100 * frame[["accuracy", "low", "high"]]
    shown["beside"] = ["", *map(_difference, records(frame)[1:])]
    return shown


def _difference(row: Mapping[str, Any]) -> str:
    columns = ("difference", "difference_low", "difference_high")
    value, low, high = (100 * row[name] for name in columns)
    return interval_text(value, low, high, "+.1f").replace("-", "\N{MINUS SIGN}")


def _note(frame: pd.DataFrame, note: str) -> str:
    n = int(frame["n"].iloc[0])
    bars = "bars are 95 % intervals" if n > 1 else "one episode has no interval"
    parts = [f"{counted(n, 'episode')}, the same for all; {bars}"]
    if frame["diverged"].any():
        parts.append(f"{int(frame['diverged'].sum())} diverged and count as chance")
    return "; ".join([*parts, *([note] if note else [])])
