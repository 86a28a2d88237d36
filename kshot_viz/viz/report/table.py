"""The summary of a comparison as cells of text, for terminal, Markdown and HTML."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.study.findings.finding import LEVEL, is_clear
from kshot_viz.study.task import Task
from kshot_viz.text import counted, points_interval
from kshot_viz.viz.comparison.selection import by_task, ordered_methods, records, task_name
from kshot_viz.viz.style.colours import method_label
from kshot_viz.viz.style.intervals import interval_text, p_text

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "plain"
CLEAR_NOTE = (
    "* clear of zero: the interval of the difference, adjusted for the number of rivals, excludes "
    f"zero, and the adjusted p is below {LEVEL:g}."
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

    title: str
    head: tuple[str, ...]
    rows: tuple[TableRow, ...]


def blocks(summary: pd.DataFrame) -> list[TableBlock]:
    """Return one block per task of a summary, methods in their fixed order."""
    diverged = bool(len(summary)) and bool((summary["diverged"] > 0).any())
    return [_block(task, rows, diverged) for task, rows in task_records(summary).items()]


def task_records(summary: pd.DataFrame) -> dict[Task, list[dict[str, Any]]]:
    """Return the rows of each task, methods in their fixed order."""
    found = {}
    for task, part in by_task(summary):
        rows = {row["method"]: row for row in records(part)}
        found[task] = [rows[name] for name in ordered_methods(part)]
    return found


def accuracy_text(row: Mapping[str, Any]) -> str:
    """Return ``"71.4 [70.1, 72.6]"``, in percent; one episode has no interval."""
    return interval_text(100 * row["accuracy"], 100 * row["low"], 100 * row["high"], ".1f")


def difference_text(row: Mapping[str, Any]) -> str:
    """Return ``"+0.9 [-0.4, +2.2]"`` in points, ``"reference"``, or ``"-"`` where unknown."""
    if row["method"] == REFERENCE:
        return "reference"
    if math.isnan(row["difference"]):
        return "-"
    return points_interval(row["difference"], row["difference_low"], row["difference_high"])


def step_sizes(row: Mapping[str, Any]) -> str:
    """Return the step sizes of body and head, and other tuned settings by name."""
    tuned = json.loads(row["tuned"])
    sizes = [f"{tuned.pop(name):g}" if name in tuned else "-" for name in ("lr", "head_lr")]
    return ", ".join(["/".join(sizes), *(f"{name} {value}" for name, value in tuned.items())])


def clear_notes(made: Iterable[TableBlock]) -> list[str]:
    """Return the note that explains the mark of clear rows, where there is one."""
    return [CLEAR_NOTE] if any(row.clear for block in made for row in block.rows) else []


def _block(task: Task, rows: list[dict[str, Any]], diverged: bool) -> TableBlock:
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
    return TableBlock(task_name(task) + same, tuple(columns), tuple(lines))


def _marked(row: Mapping[str, Any]) -> str:
    return difference_text(row) + (" *" if is_clear(row) else "")


_COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "method": lambda row: method_label(row["method"]),
    "accuracy, %": accuracy_text,
    "vs plain, points": _marked,
    "p adj.": lambda row: p_text(row["p_holm"]),
    "lr/head lr": step_sizes,
    "steps": lambda row: str(int(row["steps"])),
}
