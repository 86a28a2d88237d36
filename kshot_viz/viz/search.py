"""A search's reward, rollout by rollout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.canvas import entitle, ink, legend_outside, new_axes, tidy
from kshot_viz.viz.colours import OKABE_ITO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.search.result import SearchResult


def plot_search(
    found: SearchResult | pd.DataFrame,
    *,
    random: SearchResult | pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the reward of every rollout, its moving average and the best so far.

    Parameters
    ----------
    found : SearchResult or DataFrame
        A search, or its ``history``.
    random : SearchResult or DataFrame, optional
        Random search of the same space by the same reward; its best so far is drawn beside.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If there is no rollout yet.
    """
    frame = _history(found)
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
        lucky = _history(random)
        ax.plot(
            lucky["spent"],
            lucky["best"],
            color=ink(ax),
            linestyle="--",
            linewidth=1.4,
            label="best of random search",
            drawstyle="steps-post",
        )
    ax.set_xlabel("full evaluations spent")
    ax.set_ylabel("reward (mean accuracy)")
    tidy(ax, grid="y")
    entitle(
        ax, "Search", f"{len(frame)} rollouts. The best is lucky in part: score it on fresh tasks."
    )
    legend_outside(ax)
    return ax


def _history(found: SearchResult | pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    frame = found if isinstance(found, pd.DataFrame) else found.history
    if not len(frame):
        raise KShotValueError("The search has no finished rollout yet.")
    return frame
