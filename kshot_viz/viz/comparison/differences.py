"""Paired differences to plain fine-tuning: a forest plot of all methods and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.study.findings.finding import is_clear, titled_tasks
from kshot_viz.study.tables import PLAIN
from kshot_viz.text import counted
from kshot_viz.viz.comparison.selection import ComparisonLike, ordered_methods, records
from kshot_viz.viz.style.canvas import entitle, new_axes, row_heading, rows_axis, text_colour
from kshot_viz.viz.style.colours import MethodStyle, method_styles
from kshot_viz.viz.style.intervals import beside, count_range, interval_text, p_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_ROW, _ENDS = 0.3, 1.55


def plot_differences(comparison: ComparisonLike, *, ax: Axes | None = None) -> Axes:
    """Draw each method's paired difference to plain fine-tuning, a row per task and method.

    The thick bar is the 95 % interval of the mean difference, the thin one the interval that allows
    for the number of rivals. A filled marker says that the difference is clear: the thin bar
    excludes zero and the adjusted p is below 0.05.

    Parameters
    ----------
    comparison : Comparison
        Anything with its ``summary()``, ``settings`` and ``manifest``.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If there is no difference to plain fine-tuning: it, or any other method, did not take part.
    """
    frame = differences_frame(comparison)
    if not len(frame):
        raise KShotValueError(
            "There is no difference to plain fine-tuning to draw; compare it with others: "
            "compare_methods(..., methods=['plain', 'grouped'])."
        )
    lines = _lines(frame)
    styles = method_styles(ordered_methods(comparison.settings))
    ax = new_axes(ax, (7.8, _ENDS + _ROW * len(lines)))
    for at, line in enumerate(lines):
        if isinstance(line, str):
            row_heading(ax, at, line)
        else:
            # Not through the headings.
            ax.plot([0, 0], [at - 0.5, at + 0.5], color=text_colour(ax), linewidth=0.9, zorder=0)
            _draw(ax, at, line, styles[line["method"]])
    labels = ["" if isinstance(line, str) else styles[line["method"]].label for line in lines]
    rows_axis(ax, labels, above=0.5, below=0.4)
    beside(ax, 0, "mean [95 % interval], adjusted p")
    ax.set_xlabel("accuracy minus that of plain on the same episodes, points", fontsize=10)
    entitle(ax, "Differences to plain fine-tuning", _note(frame, comparison))
    return ax


def differences_frame(comparison: ComparisonLike) -> pd.DataFrame:
    """Return the rows that :func:`plot_differences` draws, in points.

    Returns
    -------
    DataFrame
        The task, ``title`` (of the task), ``method, value, low, high, adjusted_low, adjusted_high,
        p_holm, n, clear``; no row without plain fine-tuning, or without any other method.
    """
    import pandas as pd

    columns = ["data", "backbone", "way", "shot", "title", "method", "value", "low", "high"]
    columns += ["adjusted_low", "adjusted_high", "p_holm", "n", "clear"]
    order = ordered_methods(comparison.settings)
    found = []
    for title, rows in titled_tasks(comparison.summary()):
        known = [one for one in rows if one["method"] != PLAIN and not np.isnan(one["difference"])]
        for row in sorted(known, key=lambda one: order.index(one["method"])):
            found.append(
                {**row, "title": title, "value": row["difference"], "clear": is_clear(row)}
            )
            found[-1] |= {"low": row["difference_low"], "high": row["difference_high"]}
    frame = pd.DataFrame(found, columns=columns)
    shares = ["value", "low", "high", "adjusted_low", "adjusted_high"]
    frame[shares] = 100 * frame[shares].astype(float)
    return frame


def _lines(frame: pd.DataFrame) -> list[str | dict[str, Any]]:
    """Return the rows of the figure: the heading of each task, and its methods."""
    lines: list[str | dict[str, Any]] = []
    for title, part in frame.groupby("title", sort=False):
        lines.append(f"{title}, {count_range(part['n'], 'test episode')}")
        lines += records(part)
    return lines


def _draw(ax: Axes, at: int, row: dict[str, Any], style: MethodStyle) -> None:
    bar: dict[str, Any] = {"color": style.colour, "solid_capstyle": "butt"}
    ax.plot([row["adjusted_low"], row["adjusted_high"]], [at, at], linewidth=1.1, **bar)
    ax.plot([row["low"], row["high"]], [at, at], linewidth=3.2, **bar)
    face = style.colour if row["clear"] else ax.get_facecolor()
    ax.plot(
        row["value"],
        at,
        marker=style.marker,
        markersize=7.5,
        markerfacecolor=face,
        markeredgecolor=style.colour,
        markeredgewidth=1.6,
        linestyle="none",
    )
    text = interval_text(row["value"], row["low"], row["high"], "+.1f")
    p = p_text(row["p_holm"])
    beside(ax, at, f"{text}, {p}" if p else text, fontweight="bold" if row["clear"] else "normal")


def _note(frame: pd.DataFrame, comparison: ComparisonLike) -> str:
    """Say what the bars are, and of how many images the episodes are."""
    if frame["low"].isna().all():
        return "one test episode, so there is no interval and no test"
    text = "thick: 95 % interval; thin: adjusted for the number of rivals; filled: clear of zero"
    images = comparison.manifest.get("distinct_images")
    return f"{text}; the episodes share {counted(int(images), 'image')}" if images else text
