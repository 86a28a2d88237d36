"""Measures and accuracy of methods, drawn against shots or as rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kshot_viz.text import counted
from kshot_viz.viz.comparison.measures import MEASURES, accuracy_frame, measure_frame
from kshot_viz.viz.comparison.selection import (
    ComparisonLike,
    only_task,
    ordered_methods,
    records,
    task_name,
)
from kshot_viz.viz.style.canvas import entitle, legend_outside, new_axes, rows_axis, tidy, zero_line
from kshot_viz.viz.style.colours import MARKERS, MethodStyle, method_styles
from kshot_viz.viz.style.intervals import (
    beside,
    chance,
    count_range,
    interval,
    interval_text,
    p_text,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.study.comparison import Comparison

# Share of the distance between one number of shots and its double that methods are spread over.
_DODGE = 0.32
# More lines than this cannot be followed from one number of shots to the next.
_MOST_LINES = 8
_SHOT_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def plot_measure(
    comparison: Comparison,
    measure: str = "accuracy",
    *,
    paired: bool = False,
    reference: str = "plain",
    methods: Sequence[str] | None = None,
    way: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure against the number of shots, with 95 % intervals.

    Where there is only one number of shots, or more than eight methods, methods stand below one
    another instead; with one number of shots, their numbers are beside them.

    Parameters
    ----------
    comparison, measure, paired, reference, methods, way
        As in :func:`kshot_viz.viz.comparison.measures.measure_frame`.
    ax : Axes, optional
        Where to draw; a new figure by default.
    """
    frame = measure_frame(
        comparison, measure, paired=paired, reference=reference, methods=methods, way=way
    )
    # The reference differs from itself by nothing: it is the line that the others are read from.
    frame = frame[frame["method"] != reference] if paired and len(frame) > 1 else frame
    frame = frame.assign(beside=[number_text(row, paired) for row in records(frame)])
    return _draw(
        frame,
        method_styles(ordered_methods(comparison.settings)),
        measure,
        reference=reference if paired else None,
        heading="mean [95 % interval]" + (", adjusted p" if paired else ""),
        note=_note(frame, paired),
        ax=new_axes(ax, _size(frame, 7.6)),
    )


def plot_accuracy(
    comparison: ComparisonLike, *, way: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw accuracy against the number of shots, with 95 % intervals.

    Where there is only one number of shots, or more than eight methods, methods stand below one
    another instead; with one number of shots, the difference to plain fine-tuning is beside them.

    Parameters
    ----------
    comparison : Comparison
        Anything with its ``summary()``.
    way : int, optional
        Number of classes; needed where the comparison has several.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If there is nothing to draw, or ``way`` is missing or unknown.
    """
    frame = accuracy_frame(comparison, way)
    note = f"{count_range(frame['n'], 'test episode')}; bars are 95 % intervals"
    pairs = "; all methods saw the same episodes, so judge them by paired differences"
    return _draw(
        frame,
        method_styles(frame["method"]),
        "accuracy",
        heading="difference to plain, points",
        note=note if _single(frame) else note + pairs,
        ax=new_axes(ax, _size(frame, 7.4)),
        below=0.5,
        labelsize=10,
    )


def _draw(
    frame: pd.DataFrame,
    styles: Mapping[str, MethodStyle],
    measure: str,
    *,
    reference: str | None = None,
    heading: str,
    note: str,
    ax: Axes,
    **rows: float,
) -> Axes:
    """Draw ``value`` with its interval: a line or a row for each method.

    Rows of one number of shots have ``beside`` to their right, under ``heading``; ``rows`` goes to
    :func:`rows_axis`.
    """
    single, lines, known = _single(frame), _as_lines(frame), MEASURES[measure]
    if single:
        _draw_rows(ax, frame, styles, heading)
        rows_axis(ax, [styles[name].label for name in frame["method"]], **rows)
    elif lines:
        _draw_lines(ax, frame, styles)
        tidy(ax, grid="y")
    else:
        _draw_shots_in_rows(ax, frame, styles)
        rows_axis(ax, [styles[name].label for name in _present(frame, styles)], **rows)
    along = "y" if lines else "x"
    (ax.set_ylabel if lines else ax.set_xlabel)(known.axis_name(reference), fontsize=10)
    if reference is not None:
        zero_line(ax, along)
    elif measure == "accuracy":
        chance(ax, int(frame["way"].iloc[0]), along)
    against = f"{' against shots' if lines else ''}, {frame['way'].iloc[0]} classes"
    title = f", {task_name(only_task(frame))}" if single else against
    entitle(ax, known.label.capitalize() + title, note)
    return ax


def _draw_lines(ax: Axes, frame: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    here = _present(frame, styles)
    for rank, name in enumerate(here):
        part = frame[frame["method"] == name]
        # Methods of one number of shots stand side by side on the logarithmic axis.
        x = part["shot"] * 2 ** (_DODGE * ((rank + 0.5) / len(here) - 0.5))
        interval(ax, x, part["value"], part, styles[name], "y")
    shots = sorted({int(shot) for shot in frame["shot"]})
    ax.set_xscale("log", base=2)
    ax.set_xticks(shots, [f"{shot:,}" for shot in shots])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("shots (labelled images per class)", fontsize=10)
    legend_outside(ax)


def _draw_rows(
    ax: Axes, frame: pd.DataFrame, styles: Mapping[str, MethodStyle], heading: str
) -> None:
    for row, (name, text) in enumerate(zip(frame["method"], frame["beside"], strict=True)):
        part = frame.iloc[[row]]
        interval(ax, part["value"], [row], part, styles[name], "x")
        beside(ax, row, text)
    beside(ax, -0.85, heading)


def _draw_shots_in_rows(ax: Axes, frame: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    """Draw a row for each method, with a mark for each number of shots."""
    here = _present(frame, styles)
    shots = sorted({int(shot) for shot in frame["shot"]})
    for rank, shot in enumerate(shots):
        part = frame[frame["shot"] == shot]
        below = 0.5 * ((rank + 0.5) / len(shots) - 0.5)
        y = [here.index(name) + below for name in part["method"]]
        style = MethodStyle(counted(shot, "shot"), *_shot_look(rank), "none")
        interval(ax, part["value"], y, part, style, "x", markersize=5.5)
    legend_outside(ax)


def _present(frame: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> list[str]:
    """Return the methods of a frame in the order of their styles."""
    return [name for name in styles if name in set(frame["method"])]


def _shot_look(rank: int) -> tuple[str, str]:
    """Return colour and marker of a number of shots, the smallest first."""
    return _SHOT_COLOURS[rank % len(_SHOT_COLOURS)], MARKERS[rank % len(MARKERS)]


def _single(frame: pd.DataFrame) -> bool:
    return len(set(frame["shot"])) == 1


def _as_lines(frame: pd.DataFrame) -> bool:
    """Say whether there are several numbers of shots, and few enough methods to follow a line."""
    return not _single(frame) and frame["method"].nunique() <= _MOST_LINES


def _size(frame: pd.DataFrame, width: float) -> tuple[float, float]:
    methods, shots = frame["method"].nunique(), frame["shot"].nunique()
    if _as_lines(frame):
        return width, 4.2
    return width, 1.5 + (0.36 if shots == 1 else 0.14 + 0.11 * shots) * methods


def number_text(row: Any, paired: bool) -> str:
    """Return ``"71.4 [70.1, 72.6]"``, with a sign and the adjusted p where it is a difference."""
    text = interval_text(row["value"], row["low"], row["high"], "+.1f" if paired else ".1f")
    p = p_text(row["p_holm"])
    return f"{text}, {p}" if p else text


def _note(frame: pd.DataFrame, paired: bool) -> str:
    kind = "paired differences" if paired else "means"
    text = f"{kind} over {count_range(frame['n'], 'test episode')}; bars are 95 % intervals"
    lost = int(frame["missing"].max())
    return f"{text}; up to {lost} diverged and have no value" if lost else text
