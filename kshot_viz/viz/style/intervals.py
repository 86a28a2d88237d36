"""Means with intervals, drawn and written; the level of chance, p-values and short names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kshot_viz.text import counted, isolated
from kshot_viz.text import interval_text as interval_text
from kshot_viz.text import p_text as p_text
from kshot_viz.text import points as points
from kshot_viz.viz.style.canvas import text_colour
from kshot_viz.viz.style.colours import MethodStyle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation


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


def band(ax: Axes, x: Any, part: pd.DataFrame, colour: Any, **look: Any) -> None:
    """Fill the range from ``low`` to ``high`` in a faint colour."""
    faint = {"color": colour, "alpha": 0.12, "linewidth": 0, **look}
    ax.fill_between(x, part["low"], part["high"], **faint)


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


def count_range(numbers: Any, one: str) -> str:
    """Return ``"6 episodes"``, or ``"5 to 6 episodes"`` where rows differ."""
    low, high = int(min(numbers)), int(max(numbers))
    return counted(low, one) if low == high else f"{low} to {counted(high, one)}"


def shortened(name: str, longest: int) -> str:
    """Return a name of at most ``longest`` characters."""
    short = name if len(name) <= longest else f"{name[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
    return isolated(short)
