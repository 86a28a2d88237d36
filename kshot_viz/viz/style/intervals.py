"""Draw means with their intervals, the level of chance, and texts beside rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kshot_viz.viz.style.canvas import text_colour
from kshot_viz.viz.style.colours import MethodStyle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

# Share of the distance between one number of shots and its double that methods are spread over.
DODGE = 0.32


def interval(
    ax: Axes, x: Any, y: Any, part: pd.DataFrame, style: MethodStyle, along: str, **look: Any
) -> None:
    """Draw ``value`` of every row with its bar from ``low`` to ``high``, along "x" or "y"."""
    below, above = part["value"] - part["low"], part["high"] - part["value"]
    # The interval of a single episode is NaN, and its bar has no length.
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


def dodged(rank: int, n: int) -> float:
    """Return the factor that moves method ``rank`` of ``n`` aside on a logarithmic axis."""
    return float(2 ** (DODGE * ((rank + 0.5) / n - 0.5)))


def shots_axis(ax: Axes, shots: list[int]) -> None:
    """Make the horizontal axis the number of shots, on a logarithmic scale."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(shots, [f"{shot:,}" for shot in shots])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("shots (labelled images per class)", fontsize=10)


def chance(ax: Axes, way: int, along: str) -> None:
    """Draw the level of guessing on the accuracy axis "x" or "y", but only where it is near."""
    level = 100 / way
    lowest = (ax.get_xlim if along == "x" else ax.get_ylim)()[0]
    if lowest >= level + 5:
        return
    across = along == "y"
    (ax.axhline if across else ax.axvline)(
        level, color=text_colour(ax), linewidth=0.8, alpha=0.6, zorder=0
    )
    ax.annotate(
        "chance",
        (1.0, level) if across else (level, 0.0),
        (-3, 3) if across else (3, 3),
        xycoords=ax.get_yaxis_transform() if across else ax.get_xaxis_transform(),
        textcoords="offset points",
        ha="right" if across else "left",
        fontsize=8,
        color=text_colour(ax),
    )


def beside(ax: Axes, row: float, text: str, *, gap: float = 8, **look: Any) -> Annotation:
    """Write a text to the right of a row, ``gap`` points outside of the Axes."""
    options: dict[str, Any] = {"fontsize": 8.5, "color": text_colour(ax), **look}
    return ax.annotate(
        text,
        (1.0, row),
        (gap, 0),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        **options,
    )
