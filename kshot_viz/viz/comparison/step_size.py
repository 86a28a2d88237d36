"""Accuracy on the tuning episodes against step size, with the chosen settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError
from kshot_viz.methods.registry import method_class
from kshot_viz.study.task import TASK
from kshot_viz.viz.comparison.selection import (
    ComparisonLike,
    chosen_methods,
    of_shot,
    of_way,
    only_task,
    ordered_methods,
    records,
    task_name,
)
from kshot_viz.viz.style.canvas import entitle, legend_outside, new_axes, text_colour, tidy
from kshot_viz.viz.style.colours import MethodStyle, method_styles
from kshot_viz.viz.style.intervals import band, chance, count_range

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_CHOSEN: dict[str, Any] = {
    "marker": "*",
    "markersize": 12.5,
    "linestyle": "none",
    "markeredgewidth": 1.0,
}


def plot_step_size(
    comparison: ComparisonLike,
    *,
    methods: Sequence[str] | None = None,
    shot: int | None = None,
    way: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw tuning accuracy against step size, one line per method.

    A hollow marker means that some of its runs diverged (they are scored at chance). A star marks
    the chosen step size and the accuracy it was chosen for: off its line where the chosen number
    of steps is smaller than the one the lines show, beside it where methods chose the same.

    Parameters
    ----------
    comparison : Comparison
        Anything with its ``curve()`` and ``settings``.
    methods : sequence of str, optional
        All by default.
    shot : int, optional
        Labelled images per class; the smallest by default.
    way : int, optional
        Number of classes; needed where the comparison has several.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotKeyError
        If a method did not take part.
    KShotValueError
        If nothing was tuned, or ``shot`` or ``way`` is unknown.
    """
    frame = step_size_frame(comparison, way, shot, methods)
    chosen = _chosen_frame(comparison, frame)
    ax = new_axes(ax, (7.8, 4.4))
    for method, style in method_styles(frame["method"]).items():
        _draw_method(ax, frame[frame["method"] == method], style)
    for method, style in method_styles(frame["method"]).items():
        _draw_chosen(ax, chosen[chosen["method"] == method], style)
    chance(ax, int(frame["way"].iloc[0]), "y")
    _scale(ax, sorted({*frame["step_size"], *chosen["step_size"]}))
    tidy(ax, grid="both")
    ax.set_xlabel(_axis_name(frame), fontsize=10)
    ax.set_ylabel("accuracy on tuning episodes, %", fontsize=10)
    legend_outside(ax, handles=_legend(ax, frame, chosen), handlelength=3.2)
    entitle(ax, f"Accuracy against step size, {task_name(only_task(frame))}", _note(frame))
    return ax


def step_size_frame(
    comparison: ComparisonLike,
    way: int | None,
    shot: int | None,
    methods: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the curve of one task in percent; ``diverged`` stays a share."""
    shown = chosen_methods(ordered_methods(comparison.settings), methods)
    curve = comparison.curve()
    curve = curve[curve["method"].isin(shown)] if len(curve) else curve
    if not len(curve):
        raise KShotValueError(
            "This comparison tuned nothing, so it has no accuracy against step size; make one with "
            "compare_methods(..., tune='validation')."
        )
    frame = of_shot(of_way(curve, way), shot).sort_values(["method", "step_size"])
    for name in ("accuracy", "low", "high"):
        frame[name] = 100 * frame[name]
    return frame.reset_index(drop=True)


def _chosen_frame(comparison: ComparisonLike, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the chosen settings: ``method, step_size, steps, accuracy, on_line, drawn_at``.

    ``accuracy`` is that of tuning, ``on_line`` that of the line there, both in percent.
    """
    keys = [*TASK, "method"]
    chosen = comparison.settings.merge(frame[keys].drop_duplicates(), on=keys)
    line = frame[[*keys, "step_size", "accuracy"]].rename(columns={"accuracy": "on_line"})
    chosen = chosen.merge(line, on=[*keys, "step_size"], how="left")
    chosen["accuracy"] = 100 * chosen["val_accuracy"]
    chosen = chosen.dropna(subset="accuracy")
    chosen["drawn_at"] = _side_by_side(chosen, ordered_methods(frame))
    return chosen[["method", "step_size", "steps", "accuracy", "on_line", "drawn_at"]]


def _side_by_side(chosen: pd.DataFrame, methods: list[str]) -> pd.Series[float]:
    """Return step sizes moved to the sides where several methods chose the same one."""
    ordered = chosen.assign(rank=chosen["method"].map(methods.index)).sort_values("rank")
    among = ordered.groupby("step_size")["rank"]
    shift = among.cumcount() - (among.transform("size") - 1) / 2
    return ordered["step_size"] * 10 ** (0.1 * shift)


def _draw_method(ax: Axes, part: pd.DataFrame, style: MethodStyle) -> None:
    band(ax, part["step_size"], part, style.colour, alpha=0.13)
    ax.plot(
        part["step_size"],
        part["accuracy"],
        color=style.colour,
        linestyle=style.dashes,
        linewidth=1.7,
    )
    for hollow, points in part.groupby(part["diverged"] > 0):
        ax.plot(points["step_size"], points["accuracy"], **_marker(ax, style, hollow=bool(hollow)))


def _marker(ax: Axes, style: MethodStyle, *, hollow: bool) -> dict[str, Any]:
    return {
        "color": style.colour,
        "marker": style.marker,
        "markersize": 6.5,
        "markerfacecolor": ax.get_facecolor() if hollow else style.colour,
        "markeredgewidth": 1.5 if hollow else 1.0,
        "linestyle": "none",
    }


def _draw_chosen(ax: Axes, chosen: pd.DataFrame, style: MethodStyle) -> None:
    for row in records(chosen):
        x, y = row["drawn_at"], row["accuracy"]
        ax.plot([row["step_size"], x], [row["on_line"], y], color=style.colour, linewidth=1)
        ax.plot(
            x,
            y,
            color=style.colour,
            markeredgecolor=text_colour(ax),
            zorder=4,
            **_CHOSEN,
        )


def _scale(ax: Axes, step_sizes: list[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(_spread(step_sizes)))
    # Plain numbers: powers of ten are typeset by mathtext, which is slow and not made for threads.
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _spread(step_sizes: list[float], ratio: float = 1.7) -> list[float]:
    """Keep the step sizes whose labels do not overlap."""
    kept: list[float] = []
    for value in step_sizes:
        if not kept or value > ratio * kept[-1]:
            kept.append(float(value))
    return kept


def _legend(ax: Axes, frame: pd.DataFrame, chosen: pd.DataFrame) -> list[Any]:
    from matplotlib.lines import Line2D

    def line(label: str, **look: Any) -> Line2D:
        return Line2D([], [], label=label, **look)

    lines = [
        line(style.label, **_marker(ax, style, hollow=False) | {"linestyle": style.dashes})
        for style in method_styles(frame["method"]).values()
    ]
    if len(chosen):
        star = line("chosen, with its\nown number of steps", color="none", **_CHOSEN)
        star.set_markeredgecolor(text_colour(ax))
        lines.append(star)
    if (frame["diverged"] > 0).any():
        grey = MethodStyle("", "#6E6E6E", "o", "none")
        lines.append(line("some runs diverged", **_marker(ax, grey, hollow=True)))
    return lines


def _axis_name(frame: pd.DataFrame) -> str:
    of_head = [
        one.label
        for one in map(method_class, dict.fromkeys(frame["method"]))
        if one is not None and one.tuned[0] == "head_lr"
    ]
    return f"step size ({', '.join(of_head)}: of the head)" if of_head else "step size"


def _note(frame: pd.DataFrame) -> str:
    worst = frame["diverged"].max()
    diverged = f"; up to {100 * worst:.0f} % of the runs of a point diverged" if worst > 0 else ""
    episodes, steps = count_range(frame["n"], "tuning episode"), count_range(frame["steps"], "step")
    return (
        f"{episodes}, after {steps}, with each method's chosen step size of the head; "
        f"bands are 95 % intervals{diverged}"
    )
