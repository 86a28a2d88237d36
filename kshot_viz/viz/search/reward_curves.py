"""Rewards of searches and samplers: rollout by rollout, at equal budget, and on fresh tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.study.searches.samplers import SamplerComparison, best_at
from kshot_viz.viz.style.canvas import entitle, legend_outside, new_axes, text_colour, tidy
from kshot_viz.viz.style.colours import OKABE_ITO, sampler_styles
from kshot_viz.viz.style.intervals import band, interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.search.result import SearchResult
    from kshot_viz.study.searches.samplers import SamplerComparison

RANDOM = "random"


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
    ax.scatter(
        inside["spent"], inside["reward"], s=10, color=text_colour(ax), alpha=0.25, label="rollout"
    )
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
        _draw_random(ax, best_frame(random_histories(random)))
    _draw_below(ax, frame[frame["reward"] < floor], floor)
    ax.set_xlabel("full evaluations spent")
    ax.set_ylabel("reward (mean accuracy)")
    tidy(ax, grid="y")
    entitle(
        ax, "Search", f"{len(frame)} rollouts. The best is lucky in part: score it on fresh tasks."
    )
    legend_outside(ax)
    return ax


def history_of(found: Any) -> pd.DataFrame:
    """Return the history of a search, or the given frame."""
    import pandas as pd

    frame: pd.DataFrame = found if isinstance(found, pd.DataFrame) else found.history
    if not len(frame):
        raise KShotValueError("The search has no finished rollout yet.")
    return frame


def random_histories(random: Any) -> list[pd.DataFrame]:
    """Return the histories of one random search, of several, or of those in a comparison."""
    if isinstance(random, SamplerComparison):
        found = [one for (name, _), one in random.results.items() if name == RANDOM]
    else:
        found = list(random) if isinstance(random, Sequence) else [random]
    if not found:
        raise KShotValueError("`random` holds no random search to draw.")
    return [history_of(one) for one in found]


def best_frame(histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the best so far at every budget at which one of the searches found a reward.

    Returns
    -------
    DataFrame
        ``spent, low, median, high, n``, from where all have begun to where the first one ends.
    """
    import pandas as pd

    spent = [one["spent"].to_numpy() for one in histories]
    grid = np.unique(np.concatenate(spent))
    begin, end = max(one[0] for one in spent), min(one[-1] for one in spent)
    # One search may end before another has its first reward; that reward is drawn all the same.
    grid = grid[(grid >= begin) & (grid <= max(begin, end))]
    best = np.stack([best_at(one, grid) for one in histories])
    return pd.DataFrame(
        {
            "spent": grid,
            "low": best.min(axis=0),
            "median": np.median(best, axis=0),
            "high": best.max(axis=0),
            "n": len(histories),
        }
    )


def _floor(frame: pd.DataFrame) -> float:
    """Return the lower end of the axis: a few failures would flatten all differences above it."""
    upper = frame["reward"].quantile([0.1, 0.9])
    least = upper.iloc[0] - 2 * (upper.iloc[1] - upper.iloc[0])
    kept = frame["reward"][frame["reward"] >= least].min()
    return float(min(kept, frame["mean"].min(), frame["best"].min()))


def _draw_below(ax: Axes, frame: pd.DataFrame, floor: float) -> None:
    """Mark rollouts below the end of the axis at its lower edge."""
    if not len(frame):
        return
    height = max(ax.get_ylim()[1] - floor, 1e-3)
    ax.set_ylim(floor - 0.1 * height)
    ax.scatter(
        frame["spent"],
        [floor - 0.06 * height] * len(frame),
        s=14,
        marker="v",
        color=text_colour(ax),
        alpha=0.5,
        label=f"{len(frame)} down to {frame['reward'].min():.2f}",
    )


def _draw_random(ax: Axes, frame: pd.DataFrame) -> None:
    """Draw the best so far of random search."""
    n, colour = int(frame["n"].iloc[0]), text_colour(ax)
    if n > 1:
        label = f"range of {n} random searches"
        band(ax, frame["spent"], frame, colour, step="post", label=label)
    ax.plot(
        frame["spent"],
        frame["median"],
        color=colour,
        linestyle="--",
        linewidth=1.4,
        label="best of random search" if n == 1 else "their median",
        drawstyle="steps-post",
    )


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
        band(ax, part["spent"], part, style.colour)
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
