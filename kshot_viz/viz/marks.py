"""Means with their intervals, drawn alike wherever methods are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kshot_viz.viz.canvas import ink
from kshot_viz.viz.colours import MethodStyle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Neighbouring shots are at least a factor of two apart; methods beside each other share this part.
DODGE = 0.32


def interval(
    ax: Axes, x: Any, y: Any, part: pd.DataFrame, style: MethodStyle, along: str, **look: Any
) -> None:
    """Draw ``value`` of every row with its bar from ``low`` to ``high``, along "x" or "y"."""
    below, above = part["value"] - part["low"], part["high"] - part["value"]
    # One episode has no interval, and then there is no bar.
    reach: Any = {f"{along}err": [below.fillna(0), above.fillna(0)]}
    drawn = {
        "label": style.label,
        "color": style.colour,
        "marker": style.marker,
        "markersize": 6.5,
        "linestyle": style.dashes,
        "linewidth": 1.4,
        "elinewidth": 1.6,
    }
    ax.errorbar(x, y, **reach, **{**drawn, **look})


def dodged(place: int, n: int) -> float:
    """Return the factor that moves method ``place`` of ``n`` aside on a logarithmic axis."""
    return float(2 ** (DODGE * ((place + 0.5) / n - 0.5)))


def shots_axis(ax: Axes, shots: list[int]) -> None:
    """Let the horizontal axis be the number of shots, in doublings."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(shots, [f"{shot:,}" for shot in shots])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("shots (labelled images per class)", fontsize=10)


def methods_axis(ax: Axes, labels: list[str]) -> None:
    """Let methods stand below one another, the first on top."""
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=10)


def beside(ax: Axes, row: float, text: str) -> None:
    """Write a text to the right of a row, outside of the Axes."""
    ax.annotate(
        text,
        (1.0, row),
        (8, 0),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=ink(ax),
        annotation_clip=False,
    )
