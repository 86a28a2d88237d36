"""A search's reward, rollout by rollout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kshot_viz.viz.search.best_so_far import best_frame, history_of, random_histories
from kshot_viz.viz.style.canvas import entitle, ink, legend_outside, new_axes, tidy
from kshot_viz.viz.style.colours import OKABE_ITO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.search.result import SearchResult
    from kshot_viz.study.samplers import SamplerComparison


def plot_search(
    found: SearchResult | pd.DataFrame,
    *,
    random: SearchResult
    | pd.DataFrame
    | Sequence[SearchResult | pd.DataFrame]
    | SamplerComparison
    | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the reward of every rollout, its moving average and the best so far.

    Parameters
    ----------
    found : SearchResult or DataFrame
        A search, or its ``history``.
    random : SearchResult, DataFrame, sequence of them, or SamplerComparison, optional
        Random search of the same space by the same reward; of a comparison of samplers its random
        searches are taken. The best so far is drawn beside: of one as a line, of several as their
        median and the band from the worst to the best of them.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If there is no rollout yet, or ``random`` holds no search.
    """
    frame = history_of(found)
    ax = new_axes(ax, (7.4, 4.0))
    floor = _floor(frame)
    inside = frame[frame["reward"] >= floor]
    ax.scatter(inside["spent"], inside["reward"], s=10, color=ink(ax), alpha=0.25, label="rollout")
    ax.plot(frame["spent"], frame["mean"], color=OKABE_ITO[0], linewidth=1.8, label="mean of 20")
    ax.plot(
        frame["spent"],
        frame["best"],
        color=OKABE_ITO[1],
        linewidth=1.8,
        label="best so far",
        drawstyle="steps-post",
    )
    if random is not None:
        _draw_luck(ax, best_frame(random_histories(random)))
    _draw_below(ax, frame[frame["reward"] < floor], floor)
    ax.set_xlabel("full evaluations spent")
    ax.set_ylabel("reward (mean accuracy)")
    tidy(ax, grid="y")
    entitle(
        ax, "Search", f"{len(frame)} rollouts. The best is lucky in part: score it on fresh tasks."
    )
    legend_outside(ax)
    return ax


def _floor(frame: pd.DataFrame) -> float:
    """Return where the picture ends below: a few failures would flatten all that differs above."""
    upper = frame["reward"].quantile([0.1, 0.9])
    least = upper.iloc[0] - 2 * (upper.iloc[1] - upper.iloc[0])
    kept = frame["reward"][frame["reward"] >= least].min()
    return float(min(kept, frame["mean"].min(), frame["best"].min()))


def _draw_below(ax: Axes, frame: pd.DataFrame, floor: float) -> None:
    """Mark rollouts that lie below the picture at its lower edge."""
    if not len(frame):
        return
    height = max(ax.get_ylim()[1] - floor, 1e-3)
    ax.set_ylim(floor - 0.1 * height)
    ax.scatter(
        frame["spent"],
        [floor - 0.06 * height] * len(frame),
        s=14,
        marker="v",
        color=ink(ax),
        alpha=0.5,
        label=f"{len(frame)} down to {frame['reward'].min():.2f}",
    )


def _draw_luck(ax: Axes, frame: pd.DataFrame) -> None:
    """Draw what chance alone finds."""
    n, colour = int(frame["n"].iloc[0]), ink(ax)
    if n > 1:
        ax.fill_between(
            frame["spent"],
            frame["low"],
            frame["high"],
            step="post",
            color=colour,
            alpha=0.12,
            linewidth=0,
            label=f"range of {n} random searches",
        )
    ax.plot(
        frame["spent"],
        frame["median"],
        color=colour,
        linestyle="--",
        linewidth=1.4,
        label="best of random search" if n == 1 else "their median",
        drawstyle="steps-post",
    )
