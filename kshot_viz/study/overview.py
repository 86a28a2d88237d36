"""The finding and the table of a comparison, for a terminal and for a notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from kshot_viz.methods.registry import FIRST, method_class
from kshot_viz.study.tables import PLAIN
from kshot_viz.study.task import TASK, Task
from kshot_viz.text import counted, html_table, interval_text, isolated, p_text, points

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
HEAD = ("method", "accuracy, %", "against plain, points", "adjusted p", "steps")
Row = Mapping[str, Any]
_WIDTH = 80


def overview_text(summary: pd.DataFrame, note: str) -> str:
    """Return a sentence and an aligned table a task, then the note."""
    parts = []
    for title, rows in _tasks(summary):
        lines = [HEAD, *map(_cells, rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join(one.ljust(width) for one, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        parts += [_wrapped(f"{title}: {finding(rows)}"), "\n".join(table)]
    return "\n\n".join([*parts, note])


def overview_html(summary: pd.DataFrame, note: str) -> str:
    """Return the same as HTML."""
    parts = [
        f"<p><strong>{escape(title)}</strong>: {escape(finding(rows))}</p>"
        + html_table(HEAD, map(_cells, rows))
        for title, rows in _tasks(summary)
    ]
    return "".join([*parts, f"<p>{escape(note)}</p>"])


def finding(rows: list[Row]) -> str:
    """Return which methods of a task differ clearly from plain fine-tuning, in one sentence."""
    rivals = [row for row in rows if row["method"] != PLAIN]
    if len(rivals) == len(rows) or not rivals:
        return "nothing was compared with plain fine-tuning."
    clear = sorted((row for row in rivals if is_clear(row)), key=lambda row: -row["difference"])
    if clear:
        return "; ".join(map(_difference, clear)) + "."
    known = [row for row in rivals if row["difference"] == row["difference"]]
    largest = max(known, key=lambda row: abs(row["difference"]), default=None)
    text = "no method differs clearly from plain fine-tuning"
    if largest is None:
        return f"{text}."
    return f"{text}; the largest difference: {_difference(largest)}."


def is_clear(row: Row) -> bool:
    """Return whether a difference is clear of zero, by adjusted interval and adjusted p-value."""
    return excludes_zero(row, "adjusted") and bool(row["p_holm"] < LEVEL)


def excludes_zero(row: Row, interval: str) -> bool:
    """Return whether ``"difference"`` or ``"adjusted"``, an interval of a row, excludes zero."""
    return bool(row[f"{interval}_low"] > 0 or row[f"{interval}_high"] < 0)


def _difference(row: Row) -> str:
    interval = "unknown"
    if row["difference_low"] == row["difference_low"]:
        interval = f"{points(row['difference_low'])} to {points(row['difference_high'])}"
    return (
        f"{_label(row)} {points(row['difference'])} points (95 % interval {interval}, "
        f"adjusted p {p_text(row['p_holm']) or 'unknown'}, n = {int(row['n'])})"
    )


def _cells(row: Row) -> tuple[str, ...]:
    value, low, high = (100 * row[f"difference{end}"] for end in ("", "_low", "_high"))
    against = interval_text(value, low, high, "+.1f") if value == value else "-"
    if row["method"] == PLAIN:
        against = "reference"
    return (
        isolated(row["method"]),
        interval_text(100 * row["accuracy"], 100 * row["low"], 100 * row["high"], ".1f"),
        against + (" *" if is_clear(row) else ""),
        p_text(row["p_holm"]),
        str(int(row["steps"])),
    )


def _label(row: Row) -> str:
    known = method_class(row["method"])
    return isolated(row["method"]) if known is None else known.label


def _tasks(summary: pd.DataFrame) -> list[tuple[str, list[Row]]]:
    """Return the title and the rows of each task, methods in their usual order."""
    if not len(summary):
        return []
    order = {name: number for number, name in enumerate(FIRST)}
    several = summary[["data", "backbone"]].drop_duplicates().shape[0] > 1
    found: list[tuple[str, list[Row]]] = []
    for _, part in summary.groupby(TASK):
        rows: list[Row] = [{str(k): v for k, v in row.items()} for row in part.to_dict("records")]
        task = Task.of(rows[0])
        about = f"{isolated(task.data)}, {isolated(task.backbone)}, " if several else ""
        title = f"{about}{task.way} classes, {counted(task.shot, 'shot')}"
        rows.sort(key=lambda row: order.get(row["method"], len(order)))
        found.append((title, rows))
    return found


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False)
