"""Sentences that say which methods' runs collapsed, and from which step size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kshot_viz.methods.registry import method_class
from kshot_viz.study.findings.finding import label
from kshot_viz.text import listed
from kshot_viz.viz.comparison.selection import ComparisonLike, by_task, ordered_methods, task_name

if TYPE_CHECKING:
    import pandas as pd

# The smallest step size with a collapsed run, or None, by method.
First = Mapping[str, float | None]


def collapse_findings(comparison: ComparisonLike) -> list[str]:
    """Return a sentence a task: the smallest step size at which runs of each method collapsed.

    Only methods that move the body take part: the step size of a head is no step size of theirs.
    """
    return [
        f"{task_name(task)}: {_finding(part)}"
        for task, part in by_task(comparison.collapses())
        if _moving(part)
    ]


def _moving(rows: pd.DataFrame) -> list[str]:
    """Return the methods whose drawn step size is that of the body."""
    known = {name: method_class(name) for name in ordered_methods(rows)}
    return [name for name, one in known.items() if one is None or one.tuned[:1] == ("lr",)]


def _finding(rows: pd.DataFrame) -> str:
    first: dict[str, float | None] = {}
    largest: dict[str, float] = {}
    for name in _moving(rows):
        own = rows[rows["method"] == name]
        bad = own[own["collapsed"] > 0]["step_size"]
        first[name] = float(bad.min()) if len(bad) else None
        largest[name] = float(own["step_size"].max())
    fallen = {name: size for name, size in first.items() if size is not None}
    held = [name for name in first if name not in fallen]
    if not fallen:
        return f"no tuning run collapsed with {_held(held, largest)}."
    sizes = [f"{label(name)} {size:g}" for name, size in fallen.items()]
    text = f"the smallest step size with a collapsed tuning run: {', '.join(sizes)}."
    if held:
        text += f" None collapsed with {_held(held, largest)}."
    return text + _null(first)


def _held(names: Sequence[str], largest: Mapping[str, float]) -> str:
    """Name methods without a collapsed run, and up to which step size that was looked at."""
    sizes = {largest[name] for name in names}
    if len(sizes) == 1:
        return f"{listed([label(name) for name in names])}, up to {sizes.pop():g}"
    return listed([f"{label(name)} (up to {largest[name]:g})" for name in names])


def _null(first: First) -> str:
    """Say so where groups with random members hold at least as far as the real ones."""

    def reach(name: str) -> float:
        size = first[name]
        return float("inf") if size is None else size

    for name in first:
        known = method_class(name)
        real = known.null_of if known else ""
        if real in first and "plain" in first and reach("plain") < reach(real) <= reach(name):
            return (
                f" {label(name).capitalize()} hold as far as {label(real)}, so what "
                "helps there is moving in fewer directions, not which neurons share a group."
            )
    return ""
