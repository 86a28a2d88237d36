"""The paper that every picture is drawn on: a figure without pyplot, and one sober look.

The look is set on the Axes themselves. ``rc_context`` would change the settings of all threads for
a moment, and a user's own style (a dark one, larger fonts) would be lost.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = 8.5


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return ``ax``, or the only Axes of a new figure of ``size`` (inches)."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").add_subplot()


def figure_of(drawn: Figure | Axes) -> Figure:
    """Return the figure itself, or the one that an Axes is in."""
    figure: Any = drawn.get_figure(root=True)
    return figure


def tidy(ax: Axes, *, grid: str = "") -> None:
    """Take away what carries nothing; ``grid`` is "", "x", "y" or "both"."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    if grid:
        ax.grid(axis=grid, color=ink(ax), alpha=0.14, linewidth=0.8)  # type: ignore[arg-type]
        ax.set_axisbelow(True)


def bare(ax: Axes) -> None:
    """Leave only the picture: no spines and no ticks."""
    ax.spines[:].set_visible(False)
    ax.set_xticks([])
    ax.set_yticks([])


def ink(ax: Axes) -> Any:
    """Return the colour of text in this Axes, black unless the user's style says otherwise."""
    return ax.title.get_color()


def entitle(ax: Axes, title: str, note: str = "") -> None:
    """Write a title on the left and, smaller below it, what must be known to read the picture."""
    lines = textwrap.wrap(note, _letters(ax), break_long_words=False)
    ax.set_title(title, loc="left", fontsize=11, pad=6 + 11.5 * len(lines), parse_math=False)
    if lines:
        written = ax.annotate(
            "\n".join(lines),
            (0, 1),
            (0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            va="bottom",
            fontsize=SMALL,
            alpha=0.75,
            color=ink(ax),
        )
        # The title already keeps the room; a long line must not squeeze the picture.
        written.set_in_layout(False)


def _letters(ax: Axes) -> int:
    """Tell how many small letters fit over the Axes."""
    inches = ax.get_position().width * figure_of(ax).get_figwidth()
    return max(30, int(inches * 72 / (0.5 * SMALL)))


def legend_outside(ax: Axes, **options: Any) -> None:
    """Put the legend to the right of the data, where it hides nothing."""
    legend = ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=9,
        **options,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
