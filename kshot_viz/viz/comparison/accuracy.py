"""Accuracy of the methods on the test episodes, each at its own chosen setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kshot_viz.viz.comparison.tasks import (
    ComparisonLike,
    of_way,
    ordered_methods,
    records,
    task_name,
    values,
)
from kshot_viz.viz.report.table import difference_text
from kshot_viz.viz.style.canvas import entitle, legend_outside, new_axes, tidy
from kshot_viz.viz.style.colours import MethodStyle, method_styles
from kshot_viz.viz.style.intervals import beside, chance

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Neighbouring shots are at least this factor apart, dodged methods together half of it.
_DODGE = 0.32


def plot_accuracy(
    comparison: ComparisonLike, *, way: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw accuracy against the number of shots, with 95 % intervals.

    Where there is only one number of shots, methods stand below one another instead, with the
    difference to plain fine-tuning beside them.

    Parameters
    ----------
    comparison : Comparison
        Anything with its ``summary()``.
    way : int, optional
        Number of classes; needed where the comparison has several.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    KShotValueError
        If there is nothing to draw, or ``way`` is missing or unknown.
    """
    frame = _accuracy_frame(comparison, way)
    if len(set(frame["shot"])) == 1:
        return _draw_dots(frame, ax)
    return _draw_lines(frame, ax)


def _accuracy_frame(comparison: ComparisonLike, way: int | None) -> pd.DataFrame:
    """Return the summary in percent: ``way, shot, method, accuracy, low, high, n, beside``."""
    rows = of_way(comparison.summary(), way)
    rank = {name: place for place, name in enumerate(ordered_methods(rows))}
    frame = rows[["way", "shot", "method", "n"]].copy()
    frame[["accuracy", "low", "high"]] = 100 * rows[["accuracy", "low", "high"]]
    frame["beside"] = [difference_text(row) for row in records(rows)]
    by_rank = frame.assign(rank=frame["method"].map(rank)).sort_values(["shot", "rank"])
    return by_rank.drop(columns="rank").reset_index(drop=True)


def _draw_lines(frame: pd.DataFrame, ax: Axes | None) -> Axes:
    ax = new_axes(ax, (7.4, 4.2))
    styles = method_styles(frame["method"])
    for place, (method, style) in enumerate(styles.items()):
        part = frame[frame["method"] == method]
        shift = _DODGE * ((place + 0.5) / len(styles) - 0.5)
        _interval(ax, part["shot"] * 2**shift, part["accuracy"], part, style, "y")
    shots = sorted(frame["shot"].unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(shots, [f"{shot:,}" for shot in shots])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("shots (labelled images per class)", fontsize=10)
    ax.set_ylabel("accuracy, %", fontsize=10)
    tidy(ax, grid="y")
    chance(ax, int(frame["way"].iloc[0]), "y")
    legend_outside(ax)
    pairs = "; all methods saw the same episodes, so judge them by paired differences"
    entitle(ax, f"Accuracy against shots, {frame['way'].iloc[0]} classes", _note(frame) + pairs)
    return ax


def _draw_dots(frame: pd.DataFrame, ax: Axes | None) -> Axes:
    ax = new_axes(ax, (7.4, 1.5 + 0.36 * len(frame)))
    styles = method_styles(frame["method"])
    for row, (method, style) in enumerate(styles.items()):
        part = frame[frame["method"] == method]
        _interval(ax, part["accuracy"], [row], part, style, "x")
        beside(ax, row, part["beside"].iloc[0])
    beside(ax, -0.85, "difference to plain, points")
    labels = [style.label for style in styles.values()]
    ax.set_yticks(range(len(styles)), labels, parse_math=False)
    ax.set_ylim(len(frame) - 0.5, -0.6)
    tidy(ax, grid="x")
    chance(ax, int(frame["way"].iloc[0]), "x")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=10)
    ax.set_xlabel("accuracy, %", fontsize=10)
    entitle(ax, f"Accuracy, {task_name(*frame[['way', 'shot']].iloc[0])}", _note(frame))
    return ax


def _interval(ax: Axes, x: Any, y: Any, part: pd.DataFrame, style: MethodStyle, along: str) -> None:
    below, above = part["accuracy"] - part["low"], part["high"] - part["accuracy"]
    reach: Any = {f"{along}err": [below, above]}
    ax.errorbar(
        x,
        y,
        **reach,
        label=style.label,
        color=style.colour,
        marker=style.marker,
        markersize=6.5,
        linestyle=style.dashes,
        linewidth=1.4,
        elinewidth=1.6,
    )


def _note(frame: pd.DataFrame) -> str:
    return f"{values(frame['n'], 'test episode')}; bars are 95 % intervals"
