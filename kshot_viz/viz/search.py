"""A search's reward, rollout by rollout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kshot_viz.viz.canvas import entitle, ink, legend_outside, new_axes, tidy
from kshot_viz.viz.colours import OKABE_ITO
from kshot_viz.viz.search_band import best_frame, history_of, random_histories

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
    ax.scatter(frame["spent"], frame["reward"], s=10, color=ink(ax), alpha=0.25, label="rollout")
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
    ax.set_xlabel("full evaluations spent")
    ax.set_ylabel("reward (mean accuracy)")
    tidy(ax, grid="y")
    entitle(
        ax, "Search", f"{len(frame)} rollouts. The best is lucky in part: score it on fresh tasks."
    )
    legend_outside(ax)
    return ax


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
