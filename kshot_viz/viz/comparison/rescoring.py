"""The accuracy of a grouping before and after it was edited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted
from kshot_viz.viz.comparison.tasks import records
from kshot_viz.viz.style.canvas import entitle, ink, new_axes, tidy
from kshot_viz.viz.style.colours import METHOD_STYLES
from kshot_viz.viz.style.intervals import beside

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_FIRST = "#6E6E6E"


def plot_rescoring(frame: pd.DataFrame, *, note: str = "", ax: Axes | None = None) -> Axes:
    """Draw the accuracy of groupings below one another, with their difference to the first.

    Parameters
    ----------
    frame : DataFrame
        As :meth:`kshot_viz.study.rescoring.Rescoring.compare` gives it.
    note : str
        What must be known beside it.
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
    colours = [_FIRST] + [METHOD_STYLES["grouped"].colour] * (len(shown) - 1)
    for row, part in enumerate(records(shown)):
        reach = [[part["below"]], [part["above"]]]
        ax.errorbar(
            part["accuracy"],
            row,
            xerr=reach,
            fmt="o",
            color=colours[row],
            markersize=8,
            linewidth=2,
        )
        ax.annotate(
            f"{part['accuracy']:.1f} %",
            (part["accuracy"], row),
            (0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=ink(ax),
        )
        beside(ax, row, part["beside"])
    if len(shown) > 1:
        beside(ax, -0.5, "difference, points")
    ax.set_yticks(range(len(shown)), shown["name"].tolist(), parse_math=False)
    ax.set_ylim(len(shown) - 0.5, -0.75)
    tidy(ax, grid="x")
    ax.margins(x=0.12)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=10)
    ax.set_xlabel("accuracy, %", fontsize=10)
    entitle(ax, "k-shot accuracy of the grouping", _note(frame, note))
    return ax


def _rescoring_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``name, accuracy, below, above, beside`` in percent; no interval is none long."""
    shown = frame[["name"]].copy()
    shown["accuracy"] = 100 * frame["accuracy"]
    shown["below"] = (100 * (frame["accuracy"] - frame["low"])).fillna(0.0)
    shown["above"] = (100 * (frame["high"] - frame["accuracy"])).fillna(0.0)
    shown["beside"] = ["", *map(_difference, records(frame)[1:])]
    return shown


def _difference(row: Mapping[str, Any]) -> str:
    text = f"{100 * row['difference']:+.1f}".replace("-", "\N{MINUS SIGN}")
    if np.isnan(row["difference_low"]):
        return text
    low, high = (f"{100 * row[f'difference_{end}']:+.1f}" for end in ("low", "high"))
    return f"{text} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")


def _note(frame: pd.DataFrame, note: str) -> str:
    n = int(frame["n"].iloc[0])
    bars = "bars are 95 % intervals" if n > 1 else "one episode has no interval"
    parts = [f"{counted(n, 'episode')}, the same for all; {bars}"]
    if frame["diverged"].any():
        parts.append(f"{int(frame['diverged'].sum())} diverged and count as chance")
    return "; ".join([*parts, *([note] if note else [])])
