"""Regret of every method in every regime of a study, as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import unknown_name
from kshot_viz.study.regimes.choices import REGIMES
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.canvas import colour_bar, entitle, new_axes
from kshot_viz.viz.style.colours import method_styles, text_on

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.study.regimes.study import Study

COLOURS = "YlOrBr"
# What is further behind has the last colour: beyond, methods are equally useless.
_MOST = 20.0


def plot_regret(study: Study, *, rule: str = "guarded", ax: Axes | None = None) -> Axes:
    """Draw the mean regret of every method in every regime; the worst task stands in brackets.

    Parameters
    ----------
    study : Study
    rule : str
        The rule that settings were chosen by.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotKeyError
        For a rule that the study does not have.
    """
    frame = study.regret()
    if rule not in set(frame["rule"]):
        raise unknown_name("rule", rule, list(dict.fromkeys(frame["rule"])))
    frame = frame[frame["rule"] == rule]
    mean, worst = (_wide(frame, column) for column in ("mean", "worst"))
    ax = new_axes(ax, (2.6 + 1.15 * mean.shape[1], 1.7 + 0.3 * len(mean)))
    image = ax.imshow(mean, cmap=COLOURS, vmin=0, vmax=_limit(mean), aspect="auto")
    _write(ax, mean.to_numpy(), worst.to_numpy(), image)
    styles = method_styles(list(mean.index))
    ax.set_yticks(range(len(mean)), [isolated(styles[one].label) for one in mean.index])
    tasks = [int(frame.loc[frame["regime"] == one, "tasks"].max()) for one in mean]
    names = [f"{one}\n{counted(n, 'task')}" for one, n in zip(mean, tasks, strict=True)]
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(length=0, labelsize=9)
    ax.spines[:].set_visible(False)
    colour_bar(ax, image, "points", _ticks(_limit(mean)))
    note = f"mean over tasks, the worst task in brackets; {rule} choice of settings"
    entitle(ax, "Points behind the best in hindsight", note)
    return ax


def _wide(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a row per method, the best on top, and a column per regime."""
    wide = frame.pivot_table(column, "method", "regime", sort=False)
    order = frame.groupby("method")["mean"].mean().sort_values(kind="stable").index
    return wide.loc[order, [one for one in REGIMES if one in wide]]


def _limit(mean: pd.DataFrame) -> float:
    return min(_MOST, max(1.0, float(np.ceil(np.nanmax(mean.to_numpy())))))


def _ticks(limit: float) -> list[float]:
    step = next(one for one in (0.5, 1.0, 2.0, 5.0) if limit / one <= 5)
    return np.arange(0, limit + step / 2, step).tolist()


def _write(ax: Axes, mean: np.ndarray, worst: np.ndarray, image: Any) -> None:
    """Write the numbers, in black or white by what is behind them."""
    from matplotlib.colors import to_hex

    for (row, column), value in np.ndenumerate(mean):
        if np.isnan(value):
            ax.text(column, row, "-", ha="center", va="center", fontsize=9, alpha=0.6)
            continue
        ax.text(
            column,
            row,
            # Zero added makes a rounded -0.0 a 0.0.
            f"{round(value, 1) + 0.0:.1f} ({worst[row, column]:.1f})",
            ha="center",
            va="center",
            fontsize=8.5,
            # Written as hexadecimal: a dark page leaves it as it is.
            color=text_on(to_hex(image.cmap(image.norm(value)))),
        )
