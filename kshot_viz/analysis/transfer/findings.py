"""What a grid found, as sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer.effects import FROZEN, FULL, UNCLEAR
from kshot_viz.text import counted, isolated, listed, points, points_range

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.analysis.transfer.result import TransferGrid

WORDS = {"helps": "better than", "harms": "worse than"}


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
    for start, part in task.groupby("start", sort=False):
        if start in (FROZEN, FULL):
            yield f"{title}, {_WHAT[str(start)]}: {_effects_text(part)}"
    if hidden is not None:
        yield from (f"{title}: {_hidden_text(row)}" for row in hidden.to_dict("records"))


_WHAT = {FROZEN: "features frozen", FULL: "everything fine-tuned"}


def _effects_text(part: pd.DataFrame) -> str:
    """Return which sources differ clearly from random weights, the best first."""
    rows = part.sort_values("difference", ascending=False, kind="stable").to_dict("records")
    clear = [
        f"{isolated(row['source'])} is {WORDS[row['verdict']]} random weights, "
        f"{points(row['difference'])} points ({points_range(row['low'], row['high'])})"
        for row in rows
        if row["verdict"] != UNCLEAR
    ]
    unclear = [isolated(row["source"]) for row in rows if row["verdict"] == UNCLEAR]
    if unclear:
        verb = "does" if len(unclear) == 1 else "do"
        clear.append(f"{listed(unclear)} {verb} not differ clearly from random weights")
    return f"{'; '.join(clear)}."


def _hidden_text(row: Mapping[Any, Any]) -> str:
    """Return what fine-tuning hides of one source."""
    gains = (
        f"{points(row['frozen_gain'])} points with frozen features, {points(row['full_gain'])} "
        f"after full fine-tuning"
    )
    index = f"masking index {points(row['index'])} ({points_range(row['low'], row['high'])})"
    name = isolated(row["source"])
    if row["verdict"] == UNCLEAR:
        return f"what fine-tuning does to the gain of {name} is not clear: {gains}; {index}."
    return f"fine-tuning {row['verdict']} of {name}: {gains}; {index}."
