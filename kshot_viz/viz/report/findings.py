"""Findings of a comparison as sentences that claim no more than its test does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.methods.registry import method_class
from kshot_viz.viz.comparison.selection import task_name
from kshot_viz.viz.report.table import LEVEL, REFERENCE, is_clear, task_records
from kshot_viz.viz.style.colours import method_label
from kshot_viz.viz.style.texts import p_text, points

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


def headlines(summary: pd.DataFrame) -> list[str]:
    """Return one sentence or two per task: which methods differ clearly from plain fine-tuning.

    A difference is clear where its 95 % interval excludes zero and Holm's adjusted p is below 0.05.
    """
    return [f"{task_name(task)}: {_headline(rows)}" for task, rows in task_records(summary).items()]


def _headline(rows: list[dict[str, Any]]) -> str:
    rivals = [row for row in rows if row["method"] != REFERENCE]
    if len(rivals) == len(rows):
        return "plain fine-tuning was not compared, so there is no difference to report."
    if not rivals:
        return "only plain fine-tuning was run, so there is no difference to report."
    clear = [row for row in rivals if is_clear(row)]
    if not clear:
        return _nothing_clear(rivals)
    best_first = sorted(clear, key=lambda row: -row["difference"])
    found = "; ".join(map(_difference, best_first))
    return f"{found}. {_others(rivals, clear)}{_null_too(clear)}".strip()


def _difference(row: Row) -> str:
    side = "above" if row["difference"] > 0 else "below"
    size = points(abs(row["difference"])).lstrip("+")
    return (
        f"{method_label(row['method'])} scored {size} points {side} plain (95 % interval "
        f"{_interval(row)}, {_p(row)}, n = {int(row['n'])})"
    )


def _nothing_clear(rivals: list[dict[str, Any]]) -> str:
    known = [row for row in rivals if not np.isnan(row["difference"])]
    text = "no method differs clearly from plain fine-tuning."
    if not known:
        return text
    largest = max(known, key=lambda row: abs(row["difference"]))
    if points(largest["difference"]) == "0.0":
        return text + " Every difference is below 0.1 points." + _too_few(known)
    text += (
        f" The largest difference is that of {method_label(largest['method'])}: "
        f"{points(largest['difference'])} points (95 % interval {_interval(largest)}, "
        f"{_p(largest)}, n = {int(largest['n'])})."
    )
    return text + _too_few(known)


def _too_few(rivals: list[dict[str, Any]]) -> str:
    """Return a warning where even the most extreme outcome would not have passed the test."""
    tests = sum(not np.isnan(row["p_value"]) for row in rivals)
    n = min(int(row["n"]) for row in rivals)
    smallest = min(1.0, tests * 2.0 ** (1 - n))
    if tests and smallest < LEVEL:
        return ""
    return f" With n = {n} this test could not have shown any difference, whatever its size."


def _others(rivals: list[dict[str, Any]], clear: list[dict[str, Any]]) -> str:
    others = [method_label(row["method"]) for row in rivals if row not in clear]
    return f"No clear difference for {' and '.join(_listed(others))}." if others else ""


def _null_too(clear: list[dict[str, Any]]) -> str:
    """Return a warning where groups with random members do the same as the real ones."""
    signs = {row["method"]: np.sign(row["difference"]) for row in clear}
    for method in filter(None, map(method_class, signs)):
        if signs.get(method.null_of) == signs[method.name]:
            return f" {method.null_note}"
    return ""


def _listed(names: list[str]) -> list[str]:
    return [", ".join(names[:-1]), names[-1]] if len(names) > 1 else names


def _interval(row: Row) -> str:
    if np.isnan(row["difference_low"]):
        return "unknown"
    return f"{points(row['difference_low'])} to {points(row['difference_high'])}"


def _p(row: Row) -> str:
    text = p_text(row["p_holm"])
    return (
        f"adjusted p < {text[1:]}" if text.startswith("<") else f"adjusted p = {text or 'unknown'}"
    )
