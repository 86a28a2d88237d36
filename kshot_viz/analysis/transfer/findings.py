"""What a grid found, as sentences made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer.cells import start_label
from kshot_viz.analysis.transfer.effects import (
    FROZEN,
    FULL,
    HARMS,
    HELPS,
    TOO_FEW,
    UNCLEAR,
    enough_episodes,
)
from kshot_viz.analysis.transfer.masking import little_room
from kshot_viz.text import counted, isolated, listed, points, points_range

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.analysis.transfer.result import TransferGrid

WORDS = {HELPS: "better than", HARMS: "worse than"}


def grid_findings(grid: TransferGrid) -> list[str]:
    """Return the sentences of :meth:`TransferGrid.findings`."""
    found, both = grid.effects(), {FROZEN, FULL} <= set(grid.rows["start"])
    hidden = grid.masking() if both else None
    tasks = found.groupby(["target", "network", "shot"], sort=False)
    several = len(found["network"].unique()) > 1
    lines: list[str] = []
    for key, task in tasks:
        lines += _task_lines(_title(key, several), task, _of(hidden, key))
    return lines


def _title(key: Any, several: bool) -> str:
    target, network, shot = key
    about = f" with {isolated(network)}" if several else ""
    return f"{isolated(target)}{about}, {counted(int(shot), 'shot')}"


def _of(hidden: pd.DataFrame | None, key: Any) -> pd.DataFrame | None:
    if hidden is None:
        return None
    return hidden[(hidden[["target", "network", "shot"]] == list(key)).all(axis=1)]


def _task_lines(title: str, task: pd.DataFrame, hidden: pd.DataFrame | None) -> Iterator[str]:
    starts = list(dict.fromkeys(task["start"]))
    # The two that the masking index is made of, or whatever there is.
    shown = [one for one in starts if one in (FROZEN, FULL)] or starts
    for start in shown:
        text = _effects_text(task[task["start"] == start], len(task.groupby(["source", "start"])))
        yield f"{title}, {start_label(start)}: {text}"
    if hidden is not None:
        rows = hidden.to_dict("records")
        yield from (f"{title}: {_hidden_text(row, len(rows))}" for row in rows)


def _effects_text(part: pd.DataFrame, tests: int) -> str:
    """Return which sources differ clearly from random weights, the best first."""
    rows = part.sort_values("difference", ascending=False, kind="stable").to_dict("records")
    clauses = [
        f"{isolated(row['source'])} is {WORDS[row['verdict']]} random weights, "
        f"{points(row['difference'])} points{_range(row['low'], row['high'])}"
        for row in rows
        if row["verdict"] in WORDS
    ]
    unclear, few = ([row for row in rows if row["verdict"] == one] for one in (UNCLEAR, TOO_FEW))
    if unclear:
        verb = "does" if len(unclear) == 1 else "do"
        clauses.append(f"{_names(unclear)} {verb} not differ clearly from random weights")
    if few:
        least = min(row["n"] for row in few)
        clauses.append(f"{_too_few(least, tests)} to compare {_names(few)} with random weights")
    return f"{'; '.join(clauses)}."


def _names(rows: Sequence[Mapping[Any, Any]]) -> str:
    return listed([isolated(row["source"]) for row in rows])


def _too_few(n: int, tests: int) -> str:
    verb = "is" if n == 1 else "are"
    needed = enough_episodes(tests)
    return f"{counted(n, 'test episode')} {verb} too few ({needed} would do)"


def _range(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" ({points_range(low, high)})"


def _hidden_text(row: Mapping[Any, Any], tests: int) -> str:
    """Return what fine-tuning hides of one source."""
    numbers = (
        f"{points(row['frozen_gain'])} points with frozen features, {points(row['tuned_gain'])} "
        f"after full fine-tuning; masking index {points(row['index'])}"
        f"{_range(row['low'], row['high'])}{_room(row)}"
    )
    name = isolated(row["source"])
    if row["verdict"] == TOO_FEW:
        few = _too_few(row["n"], tests)
        return f"{few} to tell what fine-tuning does to the gain of {name}: {numbers}."
    if row["verdict"] == UNCLEAR:
        return f"what fine-tuning does to the gain of {name} is not clear: {numbers}."
    return f"fine-tuning {row['verdict']} of {name}: {numbers}."


def _room(row: Mapping[Any, Any]) -> str:
    """Say that an index is made by random weights alone, where it is."""
    if not little_room(row):
        return ""
    own, random = (
        [f"{100 * row[f'{who}{part}_accuracy']:.1f} %" for part in ("frozen", "tuned")]
        for who in ("", "random_")
    )
    return (
        f"; {isolated(row['source'])} has an accuracy of {own[0]} and {own[1]}, so there is little "
        f"room above it: the index is mostly what random weights gain by tuning, {random[0]} to "
        f"{random[1]}"
    )
