"""Which source helps which target, and what fine-tuning hides: forest plots of a transfer grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer.cells import start_label
from kshot_viz.analysis.transfer.effects import FROZEN, FULL, is_clear, start_order
from kshot_viz.analysis.transfer.result import TransferGrid
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.methods.base import MethodStyle
from kshot_viz.text import counted, isolated
from kshot_viz.viz.comparison.selection import records
from kshot_viz.viz.style.canvas import (
    entitle,
    legend_outside,
    new_axes,
    row_heading,
    rows_axis,
    text_colour,
)
from kshot_viz.viz.style.intervals import beside, count_range, interval_text, shortened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Colour and marker of each start.
_DRAWN = {
    FROZEN: ("#6E6E6E", "s"),
    "last_block": ("#CC79A7", "D"),
    FULL: ("#0072B2", "o"),
    "grouped": ("#D55E00", "^"),
    "mean_variance": ("#E69F00", "v"),
}
_HYBRIDS = ("#009E73", "#8C564B", "#5B3F99", "#A6A200")
_INDEX = "#009E73"
_TASK = ["target", "network", "shot"]
# Inches: one interval, and what is above and below all of them.
_ROW, _ENDS = 0.24, 1.6
_LETTERS, _NAME = 30, 43


def plot_transfer(
    grid: TransferGrid, *, starts: Sequence[str] = (FROZEN, FULL), ax: Axes | None = None
) -> Axes:
    """Draw how much better each source is than random weights, the starts side by side.

    A filled marker says that the difference is clear: its adjusted interval excludes zero and its
    adjusted p is below 0.05. The bar is the 95 % interval.

    Parameters
    ----------
    grid : TransferGrid
    starts : sequence of str
        Which starts are drawn; those that the grid lacks are left out if they are the default.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotKeyError
        For a start that the grid does not have.
    KShotValueError
        Where there is nothing to draw.
    """
    frame = transfer_frame(grid, starts)
    lines = _lines(frame)
    drawn = start_order(frame["start"])
    tall = sum(_ROW * (1 if isinstance(one, str) else len(drawn)) for one in lines)
    ax = new_axes(ax, (8.4, _ENDS + tall + 0.06 * len(lines)))
    styles = _styles(drawn)
    for at, line in enumerate(lines):
        if isinstance(line, str):
            row_heading(ax, at, line)
            continue
        ax.plot([0, 0], [at - 0.5, at + 0.5], color=text_colour(ax), linewidth=0.9, zorder=0)
        for number, row in enumerate(_ordered(line, drawn)):
            height = at + (number - (len(drawn) - 1) / 2) * 0.8 / len(drawn)
            _draw(ax, height, row, styles[row["start"]])
    rows_axis(ax, [_label(line) for line in lines], above=0.5, below=0.4)
    ax.set_xlabel("accuracy minus that of random weights on the same episodes, points", fontsize=10)
    handles = [_handle(styles[one]) for one in drawn]
    legend_outside(ax, handles=handles)
    entitle(ax, "Gain of each source over random weights", _note(frame))
    return ax


def plot_masking(grid: TransferGrid, *, ax: Axes | None = None) -> Axes:
    """Draw the masking index of each source: how much of its gain full fine-tuning takes away.

    The gains with frozen features and after full fine-tuning stand beside the index.

    Parameters
    ----------
    grid : TransferGrid
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        Without the starts ``"frozen"`` and ``"all"``.
    """
    frame = masking_frame(grid)
    lines = _lines(frame)
    ax = new_axes(ax, (8.4, _ENDS + 0.3 * len(lines)))
    style = MethodStyle("masking index", _INDEX, "D", "none")
    for at, line in enumerate(lines):
        if isinstance(line, str):
            row_heading(ax, at, line)
            continue
        ax.plot([0, 0], [at - 0.5, at + 0.5], color=text_colour(ax), linewidth=0.9, zorder=0)
        (row,) = line
        _draw(ax, at, row, style)
        gains = f"{row['frozen_gain']:+.1f} frozen, {row['tuned_gain']:+.1f} full"
        text = interval_text(row["value"], row["low"], row["high"], "+.1f")
        beside(ax, at, f"{text}; {gains}", fontweight="bold" if row["clear"] else "normal")
    rows_axis(ax, [_label(line) for line in lines], above=0.5, below=0.4)
    interval = "" if frame["low"].isna().all() else " [95 % interval]"
    beside(ax, 0, f"index{interval}; gains")
    ax.set_xlabel(
        "gain with frozen features minus gain after full fine-tuning, points", fontsize=10
    )
    note = (
        "right of zero: full fine-tuning lowers the gain; left: it raises it; filled: clear when "
        "adjusted"
    )
    entitle(ax, "What fine-tuning hides of each source", note)
    return ax


def transfer_frame(grid: TransferGrid, starts: Sequence[str] = (FROZEN, FULL)) -> pd.DataFrame:
    """Return the rows that :func:`plot_transfer` draws, in points.

    Returns
    -------
    DataFrame
        ``title`` (of target, network and shot), ``source, start, value, low, high, n, clear``; in
        every task the source with the largest value comes first, of frozen features if these are
        drawn.
    """
    _check(grid)
    found = grid.effects().rename(columns={"difference": "value"})
    known = start_order(found["start"])
    wanted = [one for one in starts if tuple(starts) != (FROZEN, FULL) or one in known]
    for one in wanted:
        if one not in known:
            raise unknown_name("starts", one, known)
    found = found[found["start"].isin(wanted)]
    if not wanted or found.empty:
        raise KShotValueError("There is no effect to draw: the grid has none of these starts.")
    found = found.assign(title=_titles(found), clear=found["verdict"].map(is_clear))
    first = FROZEN if FROZEN in wanted else start_order(wanted)[0]
    return _sorted(_in_points(found, ["value", "low", "high"]), first)[
        ["title", "source", "start", "value", "low", "high", "n", "clear"]
    ]


def masking_frame(grid: TransferGrid) -> pd.DataFrame:
    """Return the rows that :func:`plot_masking` draws, in points.

    Returns
    -------
    DataFrame
        ``title, source, value, low, high, frozen_gain, tuned_gain, n, clear``; in every task the
        source with the largest index comes first.
    """
    _check(grid)
    found = grid.masking().rename(columns={"index": "value"})
    found = found.assign(title=_titles(found), clear=found["verdict"].map(is_clear))
    shares = ["value", "low", "high", "frozen_gain", "tuned_gain"]
    return _sorted(_in_points(found, shares), FULL)[
        ["title", "source", *shares, "n", "clear", "start"]
    ]


def _check(grid: Any) -> None:
    if not isinstance(grid, TransferGrid):
        raise KShotValueError(
            f"`grid` must be of kshot_viz.analysis.transfer_grid; not {type(grid).__name__}."
        )


def _in_points(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return frame.assign(**{name: 100 * frame[name].astype(float) for name in columns})


def _titles(frame: pd.DataFrame) -> list[str]:
    several = len(frame["network"].unique()) > 1
    return [
        f"{isolated(target)}{f', {isolated(network)}' if several else ''}, {counted(shot, 'shot')}"
        for target, network, shot in frame[_TASK].itertuples(index=False, name=None)
    ]


def _sorted(frame: pd.DataFrame, first: str) -> pd.DataFrame:
    """Put the best source first in every task, by one start."""
    of_first = frame[frame["start"] == first].set_index(["title", "source"])["value"]
    keys = frame.set_index(["title", "source"]).index
    order = frame.assign(
        task=frame["title"].map({one: i for i, one in enumerate(frame["title"].unique())}),
        best=of_first.reindex(keys).to_numpy(),
    )
    return order.sort_values(["task", "best"], ascending=[True, False], kind="stable")


def _lines(frame: pd.DataFrame) -> list[str | list[dict[str, Any]]]:
    """Return the heading of each task, and the rows of its sources."""
    lines: list[str | list[dict[str, Any]]] = []
    for title, task in frame.groupby("title", sort=False):
        lines.append(f"{title}, {count_range(task['n'], 'test episode')}")
        lines += [records(part) for _, part in task.groupby("source", sort=False)]
    return lines


def _label(line: str | list[dict[str, Any]]) -> str:
    return "" if isinstance(line, str) else shortened(str(line[0]["source"]), _LETTERS)


def _ordered(rows: list[dict[str, Any]], starts: Sequence[str]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: starts.index(row["start"]))


def _styles(starts: Sequence[str]) -> dict[str, MethodStyle]:
    hybrids = [one for one in starts if one not in _DRAWN]
    drawn = _DRAWN | {name: (_HYBRIDS[at % len(_HYBRIDS)], "p") for at, name in enumerate(hybrids)}
    return {
        name: MethodStyle(shortened(start_label(name), _NAME), colour, marker, "none")
        for name, (colour, marker) in drawn.items()
    }


def _handle(style: MethodStyle) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=style.colour, marker=style.marker, linewidth=3.2, label=style.label)


def _draw(ax: Axes, at: float, row: dict[str, Any], style: MethodStyle) -> None:
    bar: dict[str, Any] = {"color": style.colour, "solid_capstyle": "butt"}
    ax.plot([row["low"], row["high"]], [at, at], linewidth=3.2, **bar)
    ax.plot(
        row["value"],
        at,
        marker=style.marker,
        markersize=7.0,
        markerfacecolor=style.colour if row["clear"] else ax.get_facecolor(),
        markeredgecolor=style.colour,
        markeredgewidth=1.6,
        linestyle="none",
    )


def _note(frame: pd.DataFrame) -> str:
    if frame["low"].isna().all():
        return "one test episode, so there is no interval"
    return "bars: 95 % interval over episodes, mean over seeds; filled: clear when adjusted"
