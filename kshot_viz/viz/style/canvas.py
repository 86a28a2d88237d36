"""Figures without pyplot: the canvas of every plot, and its bytes or file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import unknown_name
from kshot_viz.files import whole_file
from kshot_viz.text import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


SMALL = 8.5


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return ``ax``, or the only Axes of a new figure of ``size`` (inches)."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").add_subplot()


def figure_of(drawn: Figure | Axes) -> Figure:
    """Return a figure itself, or the figure of an Axes."""
    figure: Any = drawn.get_figure(root=True)
    return figure


def tidy(ax: Axes, *, grid: str = "") -> None:
    """Hide the top and right spines, and draw a faint grid: "", "x", "y" or "both"."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    if grid:
        ax.grid(axis=grid, color=text_colour(ax), alpha=0.14, linewidth=0.8)  # type: ignore[arg-type]
        ax.set_axisbelow(True)


def bare(ax: Axes) -> None:
    """Remove spines and ticks."""
    ax.spines[:].set_visible(False)
    ax.set_xticks([])
    ax.set_yticks([])


def rows_axis(
    ax: Axes,
    labels: Sequence[str],
    *,
    above: float = 0.6,
    below: float = 0.4,
    labelsize: float = 9,
) -> None:
    """Make the vertical axis rows with labels, the first on top.

    The axis runs from ``-above`` to ``len(labels) - below``.
    """
    tidy(ax, grid="x")
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_ylim(len(labels) - below, -above)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=labelsize)


def row_heading(ax: Axes, at: int, text: str) -> None:
    """Write the heading of a task over its rows."""
    ax.annotate(
        text,
        (0, at),
        (-3, -1),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        fontsize=9,
        fontweight="bold",
        color=text_colour(ax),
        parse_math=False,
    )


def percent_axis(ax: Axes, label: str) -> Axes:
    """Return a twin of ``ax`` with an axis of percent on the right."""
    right = ax.twinx()
    tidy(right)
    right.spines["right"].set_visible(True)
    right.set_ylim(0, 102)
    right.set_ylabel(label, fontsize=10)
    return right


def zero_line(ax: Axes, along: str) -> None:
    """Draw the zero of the axis "x" or "y"."""
    line = ax.axvline if along == "x" else ax.axhline
    line(0, color=text_colour(ax), linewidth=0.9, alpha=0.7, zorder=0)


def colour_bar(ax: Axes, image: AxesImage, label: str, ticks: Sequence[float]) -> None:
    """Put a colour scale beside a matrix."""
    bar = figure_of(ax).colorbar(image, ax=ax, shrink=0.7, pad=0.02, ticks=ticks)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)  # type: ignore[operator]


def text_colour(ax: Axes) -> Any:
    """Return the colour of text in this Axes, black unless the user's style says otherwise."""
    return ax.title.get_color()


def entitle(ax: Axes, title: str, note: str = "") -> None:
    """Write a title on the left and, smaller below it, a note on how to read the figure."""
    lines = wrapped(note, _letters(ax))
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
            color=text_colour(ax),
        )
        # The title already keeps the room; a long line must not narrow the Axes.
        written.set_in_layout(False)


def _letters(ax: Axes) -> int:
    """Return how many small letters fit above the Axes."""
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


# Metadata left out of the file: date, program and version.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def to_png(fig: Figure | Axes, dpi: float = 100, *, transparent: bool = False) -> bytes:
    """Return the figure as PNG.

    Parameters
    ----------
    fig : Figure or Axes
        An Axes stands for its figure.
    dpi : float
        Pixels an inch.
    transparent : bool
        Whether the background is transparent; else it is solid, readable on a dark page.
    """
    buffer = io.BytesIO()
    _write(figure_of(fig), buffer, "png", dpi, transparent=transparent)
    return buffer.getvalue()


def to_svg(fig: Figure | Axes) -> bytes:
    """Return the figure as SVG: one file, with its letters as outlines."""
    buffer = io.BytesIO()
    _write(figure_of(fig), buffer, "svg", 100)
    return buffer.getvalue()


def save_figure(fig_or_ax: Figure | Axes, path: str | Path, *, dpi: float = 150) -> Path:
    """Write a figure to a file; the suffix chooses PNG, SVG or PDF.

    Parameters
    ----------
    fig_or_ax : Figure or Axes
    path : str or Path
        Missing folders are made.
    dpi : float
        Pixels an inch, for PNG.

    Raises
    ------
    KShotKeyError
        For another suffix.
    KShotFileError
        If the file cannot be written.
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise unknown_name("suffix of path", target.suffix, [f".{name}" for name in _METADATA])
    buffer = io.BytesIO()
    _write(figure_of(fig_or_ax), buffer, kind, dpi)
    return write_file(target, buffer.getvalue())


def write_file(target: Path, content: bytes) -> Path:
    """Write bytes atomically; missing folders are made."""
    with whole_file(target) as part:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
    return target


def _write(
    figure: Figure, buffer: io.BytesIO, kind: str, dpi: float, *, transparent: bool = False
) -> None:
    background = "none" if transparent else _solid(figure)
    figure.savefig(
        buffer,
        format=kind,
        dpi=dpi,
        facecolor=background,
        transparent=transparent,
        metadata=_METADATA[kind],
    )


def _solid(figure: Figure) -> Any:
    from matplotlib.colors import to_rgba

    red, green, blue, opaque = to_rgba(figure.get_facecolor())
    return (red, green, blue) if opaque > 0 else "white"
