"""The finding and the table of a comparison, for a terminal and for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from kshot_viz.study.findings.finding import Row, finding, is_clear, titled_tasks
from kshot_viz.study.footer import doubt, note_of
from kshot_viz.study.tables import PLAIN
from kshot_viz.text import (
    aligned_table,
    html_table,
    interval_text,
    isolated,
    p_text,
    points_interval,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd

HEAD = ("method", "accuracy, %", "against plain, points", "adjusted p", "steps")
_WIDTH = 80


def overview_text(summary: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    """Return a sentence and an aligned table a task, then the note."""
    parts = []
    unsure = doubt(manifest)
    for title, rows in titled_tasks(summary):
        table = aligned_table(HEAD, map(_cells, rows))
        parts += [_wrapped(f"{title}: {finding(rows, unsure)}"), table]
    return "\n\n".join([*parts, note_of(manifest)])


def overview_html(summary: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    """Return the same as HTML."""
    unsure = doubt(manifest)
    parts = [
        f"<p><strong>{escape(title)}</strong>: {escape(finding(rows, unsure))}</p>"
        + html_table(HEAD, map(_cells, rows))
        for title, rows in titled_tasks(summary)
    ]
    return "".join([*parts, f"<p>{escape(note_of(manifest))}</p>"])


def _cells(row: Row) -> tuple[str, ...]:
    value, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
    against = points_interval(value, low, high) if value == value else "-"
    if row["method"] == PLAIN:
        against = "reference"
    return (
        isolated(row["method"]),
        interval_text(100 * row["accuracy"], 100 * row["low"], 100 * row["high"], ".1f"),
        against + (" *" if is_clear(row) else ""),
        p_text(row["p_holm"]),
        str(int(row["steps"])),
    )


def _wrapped(text: str) -> str:
    return "\n".join(wrapped(text, _WIDTH))
