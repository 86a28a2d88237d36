"""Compare samplers: best reward at equal budget, and accuracy on fresh tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.style.canvas import entitle, legend_outside, new_axes, text_colour, tidy
from kshot_viz.viz.style.colours import sampler_styles
from kshot_viz.viz.style.intervals import interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.study.samplers import SamplerComparison


def plot_best_so_far(
    comparison: SamplerComparison | pd.DataFrame, *, ax: Axes | None = None
) -> Axes:
    """Draw the best reward against the budget spent: mean over seeds, and their range.

    Parameters
    ----------
    comparison : SamplerComparison or DataFrame
        Made by :func:`kshot_viz.compare_samplers`, or its ``best_so_far()``.
    ax : Axes, optional
        Where to draw; a new figure by default.
    """
    import pandas as pd

    frame = comparison if isinstance(comparison, pd.DataFrame) else comparison.best_so_far()
    ax = new_axes(ax, (7.4, 4.0))
    for name, style in sampler_styles(frame["sampler"]).items():
        part = frame[frame["sampler"] == name]
        ax.fill_between(
            part["spent"], part["low"], part["high"], color=style.colour, alpha=0.12, linewidth=0
        )
        ax.plot(
            part["spent"],
            part["mean"],
            color=style.colour,
            linestyle=style.dashes,
            linewidth=1.8,
            label=style.label,
        )
    ax.set_ylim(*_reward_range(frame))
    ax.set_xlabel("full evaluations spent")
    ax.set_ylabel("best reward so far")
    tidy(ax, grid="y")
    seeds = "/".join(str(n) for n in sorted(set(frame["n"])))
    entitle(ax, "Best so far", f"mean and range of {seeds} seeds, same space and same tasks")
    legend_outside(ax)
    return ax


def plot_shrinkage(rescored: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy on fresh tasks against the reward that chose a candidate.

    Parameters
    ----------
    rescored : DataFrame
        From :meth:`SearchResult.rescore` or :meth:`SamplerComparison.rescore`.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If there is nothing to draw.
    """
    if not len(rescored):
        raise KShotValueError("`rescored` has no rows.")
    ax = new_axes(ax, (6.4, 4.4))
    frame = rescored if "sampler" in rescored else rescored.assign(sampler="searched")
    for name, style in sampler_styles(frame["sampler"]).items():
        part = frame[frame["sampler"] == name].assign(value=lambda rows: rows["accuracy"])
        look = {"linestyle": "none", "markersize": 5, "elinewidth": 1, "capsize": 2}
        interval(ax, part["reward"], part["value"], part, style, "y", **look)
    low = min(frame["low"].min(), frame["reward"].min())
    high = max(frame["high"].max(), frame["reward"].max())
    room = 0.04 * max(high - low, 0.01)
    ends = [low - room, high + room]
    ax.plot(
        ends,
        ends,
        color=text_colour(ax),
        alpha=0.4,
        linewidth=1,
        linestyle=":",
        label="no shrinkage",
    )
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    ax.set_xlabel("reward in the search")
    ax.set_ylabel("accuracy on fresh tasks")
    tidy(ax, grid="both")
    mean = frame["shrinkage"].mean()
    entitle(
        ax,
        "Search reward against fresh accuracy",
        f"95 % intervals over {'/'.join(map(str, sorted(set(frame['n']))))} tasks; on average "
        f"{100 * abs(mean):.1f} points {'lost' if mean >= 0 else 'gained'}",
    )
    legend_outside(ax)
    return ax


def _reward_range(frame: pd.DataFrame) -> tuple[float, float]:
    """Return the range of rewards after a tenth of the budget: the first few are far below."""
    later = frame[frame["spent"] >= 0.1 * frame["spent"].max()]
    low, high = float(later["low"].min()), float(frame["high"].max())
    room = 0.06 * max(high - low, 0.01)
    return low - room, high + room
