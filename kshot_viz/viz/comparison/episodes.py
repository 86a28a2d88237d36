"""Every episode as a dot: how much of a mean is agreement, and how much a few lucky tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import unknown_name
from kshot_viz.stats import bootstrap_mean
from kshot_viz.text import counted
from kshot_viz.viz.comparison.measures import MEASURES, number_text
from kshot_viz.viz.comparison.selection import chosen_methods, task_rows
from kshot_viz.viz.comparison.tasks import ordered_methods, task_name, values
from kshot_viz.viz.style.canvas import entitle, ink, new_axes, tidy
from kshot_viz.viz.style.colours import method_label, method_styles
from kshot_viz.viz.style.intervals import beside, interval, methods_axis

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
    if measure not in MEASURES:
        raise unknown_name("measure", measure, MEASURES)
    known = ordered_methods(comparison.settings)
    chosen = chosen_methods(known, methods)
    if paired and reference not in known:
        raise unknown_name("reference", reference, known)
    rows = task_rows(comparison, way, shot)
    rows = rows.assign(value=MEASURES[measure].of(measure, rows))
    if paired:
        base = rows[rows["method"] == reference].set_index("episode")["value"]
        rows["value"] = (rows["value"] - rows["episode"].map(base)).round(10)
        others = [name for name in chosen if name != reference]
        chosen = others or chosen
    parts = [rows[rows["method"] == name] for name in chosen]
    columns = ["way", "shot", "method", "episode", "value", "status"]
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
    styles = method_styles(ordered_methods(comparison.settings))
    here = list(dict.fromkeys(frame["method"]))
    ax = new_axes(ax, (7.6, 1.7 + 0.62 * len(here)))
    span = float(np.nan_to_num(frame["value"].max() - frame["value"].min()))
    for row, name in enumerate(here):
        part = frame[frame["method"] == name]
        known = part["value"].dropna().to_numpy()
        heights = row + 0.12 + stacked(known, span)
        ax.scatter(known, heights, s=22, color=styles[name].colour, alpha=0.55, linewidths=0)
        if len(known):
            mean = _mean(known)
            look = {
                "markersize": 8,
                "markeredgecolor": ink(ax),
                "ecolor": ink(ax),
                "elinewidth": 1.8,
            }
            interval(ax, mean["value"], [row - 0.22], mean, styles[name], "x", **look)
            beside(ax, row - 0.22, number_text(mean.iloc[0], paired))
            beside(ax, row + 0.14, _counts(known, paired))
    if paired:
        ax.axvline(0, color=ink(ax), linewidth=0.9, alpha=0.7, zorder=0)
    methods_axis(ax, [styles[name].label for name in here])
    tidy(ax, grid="x")
    ax.set_xlabel(_axis_name(measure, reference if paired else None), fontsize=10)
    size = frame[["way", "shot"]].iloc[0]
    entitle(ax, f"Episode by episode, {task_name(*size)}", _note(frame))
    return ax


def stacked(known: NDArray[np.float64], span: float) -> NDArray[np.float64]:
    """Return how far each dot is moved so that dots of almost the same value stand apart.

    Parameters
    ----------
    known : array, shape (n,)
    span : float
        Width of the picture, in the same unit; dots nearer than a hundredth of it are neighbours.

    Returns
    -------
    array, shape (n,)
        Shares of a row: 0, then alternately above and below.
    """
    cells = np.round(known / (span / 100 if span > 0 else 1.0)).astype(int)
    seen: dict[int, int] = {}
    moved = np.zeros(len(known))
    for place in np.argsort(known, kind="stable"):
        turn = seen.get(cells[place], 0)
        seen[cells[place]] = turn + 1
        moved[place] = _STEP * ((turn + 1) // 2) * (1 if turn % 2 else -1)
    furthest = np.abs(moved).max(initial=0.0)
    return moved * min(1.0, _HALF / furthest) if furthest else moved


def _mean(known: NDArray[np.float64]) -> pd.DataFrame:
    import pandas as pd

    mean = bootstrap_mean(known)
    row = {"value": mean.mean, "low": mean.low, "high": mean.high, "p_holm": float("nan")}
    return pd.DataFrame([row])


def _counts(known: NDArray[np.float64], paired: bool) -> str:
    if not paired:
        return f"n = {len(known)}"
    better, worse = int((known > 0).sum()), int((known < 0).sum())
    return f"{better} up, {worse} down, {len(known) - better - worse} equal"


def _axis_name(measure: str, reference: str | None) -> str:
    known = MEASURES[measure]
    if reference is None:
        return f"{known.label}, {known.unit}"
    return f"{known.label}: difference to {method_label(reference)}, {known.difference_unit}"


def _note(frame: pd.DataFrame) -> str:
    counts = frame.groupby("method")["value"].count()
    text = f"{values(counts, 'test episode')} as dots; above them the mean with its 95 % interval"
    lost = int((frame["status"] != "ok").sum())
    return f"{text}; {counted(lost, 'run')} diverged" if lost else text
