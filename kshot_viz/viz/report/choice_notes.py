"""What is said under a table about the settings that were chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kshot_viz.study.findings.finding import label
from kshot_viz.text import counted
from kshot_viz.viz.comparison.selection import by_task, ordered_methods, records, task_name
from kshot_viz.viz.style.intervals import points

if TYPE_CHECKING:
    import pandas as pd


def choice_notes(settings: pd.DataFrame, unit: str = "tuning episode") -> list[str]:
    """Return how sure the chosen settings of each task are, and which ones lie at an edge.

    ``unit`` is what settings were chosen on: see :func:`kshot_viz.study.footer.tuning_unit`.
    """
    return [
        f"{task_name(task)}: {note}"
        for task, part in by_task(settings)
        for note in _notes(part, unit)
    ]


def _notes(settings: pd.DataFrame, unit: str) -> Iterable[str]:
    rows = {row["method"]: row for row in records(settings)}
    ordered = [rows[name] for name in ordered_methods(settings)]
    margins = _each(ordered, _margin)
    if margins:
        episodes = counted(int(ordered[0]["n_val"]), unit)
        yield (
            f"on {episodes}, accuracy at the chosen step size minus that at the "
            f"best other step size, in points: {margins}."
        )
    edges = _each(ordered, lambda row: f"({row['edge']})" if row["edge"] else "")
    if edges:
        yield (f"chosen at an edge of what was tried, beyond which others may be better: {edges}.")
    collapsed = _each(ordered, _collapsed)
    if collapsed:
        yield f"no setting was free of collapsed runs; the chosen one has some: {collapsed}."


def _each(rows: Iterable[dict[str, Any]], text: Callable[[dict[str, Any]], str]) -> str:
    """Join what there is to say about each method, by its name."""
    return ", ".join(f"{label(row['method'])} {text(row)}" for row in rows if text(row))


def _margin(row: dict[str, Any]) -> str:
    return "" if math.isnan(row["margin"]) else points(row["margin"])


def _collapsed(row: dict[str, Any]) -> str:
    return f"in {int(row['collapsed'])} of {int(row['n_val'])}" if row["collapsed"] > 0 else ""
