"""The summary of a comparison as cells of text: made once for terminal, Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.text import counted
from kshot_viz.viz.comparison.tasks import records, task_name
from kshot_viz.viz.style.colours import method_label, method_styles

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.viz.comparison.tasks import ComparisonLike

REFERENCE = "plain"
# The method whose step size is its head's.
HEAD_ONLY = "head_only"
LEVEL = 0.05
CLEAR_NOTE = (
    "* clear of zero: the 95 % interval of the difference excludes zero and the adjusted p is "
    f"below {LEVEL:g}."
)


@dataclass(frozen=True)
class TableRow:
    """One method: its cells and whether it differs clearly from plain fine-tuning."""

    method: str
    cells: tuple[str, ...]
    clear: bool


@dataclass(frozen=True)
class TableBlock:
    """The methods on one task."""

    way: int
    shot: int
    title: str
    head: tuple[str, ...]
    rows: tuple[TableRow, ...]


def summary_blocks(comparison: ComparisonLike) -> list[TableBlock]:
    """Return one block per task, in order of way and shot, methods in their fixed order."""
    return blocks(comparison.summary())


def blocks(summary: pd.DataFrame) -> list[TableBlock]:
    """Return one block per task of a summary table."""
    diverged = bool(len(summary)) and bool((summary["diverged"] > 0).any())
    return [_block(way, shot, rows, diverged) for (way, shot), rows in tasks(summary).items()]


def tasks(summary: pd.DataFrame) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Return the rows of each (way, shot), methods in their fixed order."""
    found = {}
    for key in sorted({(int(row["way"]), int(row["shot"])) for row in records(summary)}):
        part = summary[(summary["way"] == key[0]) & (summary["shot"] == key[1])]
        rows = {str(row["method"]): row for row in records(part)}
        found[key] = [rows[name] for name in method_styles(rows)]
    return found


def is_clear(row: Mapping[str, Any]) -> bool:
    """Tell whether a difference is clear of zero, by interval and by adjusted p-value."""
    low, high = row["difference_low"], row["difference_high"]
    return bool((low > 0 or high < 0) and row["p_holm"] < LEVEL)


def accuracy_text(row: Mapping[str, Any]) -> str:
    """Return ``"71.4 [70.1, 72.6]"``, in percent; one episode has no interval."""
    mean = f"{100 * row['accuracy']:.1f}"
    if math.isnan(row["low"]):
        return mean
    return f"{mean} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def difference_text(row: Mapping[str, Any]) -> str:
    """Return ``"+0.9 [-0.4, +2.2]"`` in points, ``"reference"``, or ``"-"`` where unknown."""
    if row["method"] == REFERENCE:
        return "reference"
    if math.isnan(row["difference"]):
        return "-"
    if math.isnan(row["difference_low"]):
        return points(row["difference"])
    return (
        f"{points(row['difference'])} "
        f"[{points(row['difference_low'])}, {points(row['difference_high'])}]"
    )


def points(share: float) -> str:
    """Return a difference of shares as ``"+0.9"`` points; what rounds to zero has no sign."""
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def p_text(p: float) -> str:
    """Return ``"0.012"``, ``"<0.001"``, or nothing where there is no test."""
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _block(way: int, shot: int, rows: list[dict[str, Any]], diverged: bool) -> TableBlock:
    counts = {int(row["n"]) for row in rows}
    columns = dict(_COLUMNS)
    if len(counts) > 1:
        columns["n"] = lambda row: str(int(row["n"]))
    if diverged:
        columns["diverged"] = lambda row: str(int(row["diverged"]))
    lines = [
        TableRow(row["method"], tuple(cell(row) for cell in columns.values()), is_clear(row))
        for row in rows
    ]
    same = f", {counted(counts.pop(), 'test episode')}" if len(counts) == 1 else ""
    return TableBlock(way, shot, task_name(way, shot) + same, tuple(columns), tuple(lines))


def _step_sizes(row: Mapping[str, Any]) -> str:
    body = "-" if row["method"] == HEAD_ONLY else f"{row['step_size']:g}"
    return f"{body}/{row['head_lr']:g}"


def _marked(row: Mapping[str, Any]) -> str:
    return difference_text(row) + (" *" if is_clear(row) else "")


_COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "method": lambda row: method_label(row["method"]),
    "accuracy, %": accuracy_text,
    "vs plain, points": _marked,
    "p adj.": lambda row: p_text(row["p_holm"]),
    "lr/head lr": _step_sizes,
    "steps": lambda row: str(int(row["steps"])),
}
