"""Values of the single test episodes, as dots around their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.study.task import TASK
from kshot_viz.text import counted
from kshot_viz.viz.comparison.measure_plots import number_text
from kshot_viz.viz.comparison.measures import (
    MEASURES,
    measure_estimates,
    measured_methods,
)
from kshot_viz.viz.comparison.selection import only_task, ordered_methods, task_name, task_rows
from kshot_viz.viz.style.canvas import entitle, new_axes, rows_axis, text_colour, zero_line
from kshot_viz.viz.style.colours import method_styles
from kshot_viz.viz.style.intervals import beside, count_range, interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.study.comparison import Comparison

# Dots of equal value are stacked in steps of this share of a row, up to its half.
_STEP, _HALF = 0.055, 0.3


def episodes_frame(
    comparison: Comparison,
    measure: str = "accuracy",
    *,
    paired: bool = True,
    reference: str = "plain",
    methods: Sequence[str] | None = None,
    way: int | None = None,
    shot: int | None = None,
) -> pd.DataFrame:
    """Return one row per test episode and method of one task.

    Parameters
    ----------
    comparison, measure, paired, reference, methods, way
        As in :func:`kshot_viz.viz.comparison.measures.measure_frame`.
    shot : int, optional
        The smallest by default.

    Returns
    -------
    DataFrame
        ``way, shot, method, episode, value, status``; with ``paired`` the reference's own rows,
        which are all zero, are left out unless nothing else is there. Episodes are in the order of
        the comparison.
    """
    chosen = measured_methods(comparison, measure, reference if paired else None, methods)
    rows = task_rows(comparison, way, shot)
    rows = rows.assign(value=MEASURES[measure].of(measure, rows))
    if paired:
        base = rows[rows["method"] == reference].set_index("episode")["value"]
        rows["value"] = (rows["value"] - rows["episode"].map(base)).round(10)
        others = [name for name in chosen if name != reference]
        chosen = others or chosen
    parts = [rows[rows["method"] == name] for name in chosen]
    columns = [*TASK, "method", "episode", "value", "status"]
    import pandas as pd

    return pd.concat(parts, ignore_index=True)[columns]


def plot_episodes(
    comparison: Comparison,
    measure: str = "accuracy",
    *,
    paired: bool = True,
    reference: str = "plain",
    methods: Sequence[str] | None = None,
    way: int | None = None,
    shot: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a dot for every test episode, and over them the mean with its 95 % interval.

    Parameters
    ----------
    comparison, measure, paired, reference, methods, way, shot
        As in :func:`episodes_frame`.
    ax : Axes, optional
        Where to draw; a new figure by default.
    """
    frame = episodes_frame(
        comparison,
        measure,
        paired=paired,
        reference=reference,
        methods=methods,
        way=way,
        shot=shot,
    )
    versus = reference if paired else None
    styles = method_styles(ordered_methods(comparison.settings))
    here = list(dict.fromkeys(frame["method"]))
    means = measure_estimates(task_rows(comparison, way, shot), measure, versus, here)
    ax = new_axes(ax, (7.6, 1.7 + 0.62 * len(here)))
    span = float(np.nan_to_num(frame["value"].max() - frame["value"].min()))
    edge = text_colour(ax)
    look = {"markersize": 8, "markeredgecolor": edge, "ecolor": edge, "elinewidth": 1.8}
    for row, name in enumerate(here):
        known = frame.loc[frame["method"] == name, "value"].dropna().to_numpy()
        heights = row + 0.12 + stacked(known, span)
        ax.scatter(known, heights, s=22, color=styles[name].colour, alpha=0.55, linewidths=0)
        if len(known):
            mean = means.iloc[[row]].assign(p_holm=np.nan)
            interval(ax, mean["value"], [row - 0.22], mean, styles[name], "x", **look)
            beside(ax, row - 0.22, number_text(mean.iloc[0], paired))
            beside(ax, row + 0.14, _counts(known, paired))
    if paired:
        zero_line(ax, "x")
    rows_axis(ax, [styles[name].label for name in here])
    ax.set_xlabel(MEASURES[measure].axis_name(versus), fontsize=10)
    entitle(ax, f"Episode by episode, {task_name(only_task(frame))}", _note(frame))
    return ax


def stacked(known: NDArray[np.float64], span: float) -> NDArray[np.float64]:
    """Return vertical offsets, shape (n,), that separate dots of almost the same value.

    Dots nearer than a hundredth of ``span`` are neighbours; offsets are shares of a row: 0, then
    alternately above and below.
    """
    cells = np.round(known / (span / 100 if span > 0 else 1.0)).astype(int)
    seen: dict[int, int] = {}
    moved = np.zeros(len(known))
    for dot in np.argsort(known, kind="stable"):
        turn = seen.get(cells[dot], 0)
        seen[cells[dot]] = turn + 1
        moved[dot] = _STEP * ((turn + 1) // 2) * (1 if turn % 2 else -1)
    furthest = np.abs(moved).max(initial=0.0)
    return moved * min(1.0, _HALF / furthest) if furthest else moved


def _counts(known: NDArray[np.float64], paired: bool) -> str:
    if not paired:
        return f"n = {len(known)}"
    better, worse = int((known > 0).sum()), int((known < 0).sum())
    return f"{better} up, {worse} down, {len(known) - better - worse} equal"


def _note(frame: pd.DataFrame) -> str:
    counts = frame.groupby("method")["value"].count()
    text = (
        f"{count_range(counts, 'test episode')} as dots; above them the mean with its 95 % interval"
    )
    lost = int((frame["status"] != "ok").sum())
    return f"{text}; {counted(lost, 'run')} diverged" if lost else text
