"""Which methods differ clearly from plain fine-tuning, in the words used everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.methods.registry import FIRST, method_class
from kshot_viz.study.footer import doubt
from kshot_viz.study.tables import PLAIN
from kshot_viz.study.task import TASK, Task
from kshot_viz.text import counted, isolated, listed, p_text, points, points_range

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
Row = Mapping[str, Any]


def findings(summary: pd.DataFrame, manifest: Mapping[str, Any]) -> list[str]:
    """Return the finding of each task, after its name.

    Parameters
    ----------
    summary : DataFrame
        As of :meth:`kshot_viz.Comparison.summary`, all of it or some tasks.
    manifest : mapping
        As of a comparison: what weakens a finding stands in its own sentence.
    """
    unsure = doubt(manifest)
    return [f"{title}: {finding(rows, unsure)}" for title, rows in titled_tasks(summary)]


def titled_tasks(summary: pd.DataFrame) -> list[tuple[str, list[Row]]]:
    """Return the title and the rows of each task, methods in their usual order.

    Data set and network are in the title where tasks differ in them.
    """
    if not len(summary):
        return []
    order = {name: number for number, name in enumerate(FIRST)}
    several = summary[["data", "backbone"]].drop_duplicates().shape[0] > 1
    found: list[tuple[str, list[Row]]] = []
    for _, part in summary.groupby(TASK):
        rows: list[Row] = [{str(k): v for k, v in row.items()} for row in part.to_dict("records")]
        task = Task.of(rows[0])
        about = f"{isolated(task.data)}, {isolated(task.backbone)}, " if several else ""
        rows.sort(key=lambda row: order.get(row["method"], len(order)))
        found.append((f"{about}{task.way} classes, {counted(task.shot, 'shot')}", rows))
    return found


def finding(rows: list[Row], unsure: str) -> str:
    """Return which methods of a task differ clearly from plain fine-tuning.

    A difference is clear where its interval, adjusted for the number of rivals, excludes zero and
    Holm's adjusted p is below 0.05. Where the 95 % interval alone excludes zero it is said why the
    difference is not called clear. ``unsure`` is the end of a sentence on clear differences: see
    :func:`kshot_viz.study.footer.doubt`.
    """
    rivals = [row for row in rows if row["method"] != PLAIN]
    if len(rivals) == len(rows):
        return "plain fine-tuning was not compared, so there is no difference to report."
    if not rivals:
        return "only plain fine-tuning was run, so there is no difference to report."
    clear = [row for row in rivals if is_clear(row)]
    if not clear:
        return _nothing_clear(rivals)
    best_first = sorted(clear, key=lambda row: -row["difference"])
    found = "; ".join(map(_difference, best_first))
    return f"{found}{unsure}. {_others(rivals, clear)}{_almost(rivals)}{_null_too(clear)}".strip()


def is_clear(row: Row) -> bool:
    """Return whether a difference is clear of zero, by adjusted interval and adjusted p-value."""
    return excludes_zero(row, "adjusted") and bool(row["p_holm"] < LEVEL)


def excludes_zero(row: Row, interval: str) -> bool:
    """Return whether ``"difference"`` or ``"adjusted"``, an interval of a row, excludes zero."""
    return bool(row[f"{interval}_low"] > 0 or row[f"{interval}_high"] < 0)


def label(method: str) -> str:
    """Return what a sentence calls a method; names given by the user stay as they are."""
    known = method_class(method)
    return isolated(method) if known is None else known.label


def p_phrase(p: float, called: str = "p") -> str:
    """Return ``"p = 0.012"``, ``"p < 0.001"``, or ``"p = unknown"`` where there is no test."""
    text = p_text(p)
    return f"{called} < {text[1:]}" if text.startswith("<") else f"{called} = {text or 'unknown'}"


def _difference(row: Row) -> str:
    side = "above" if row["difference"] > 0 else "below"
    size = points(abs(row["difference"])).lstrip("+")
    return (
        f"{label(row['method'])} scored {size} points {side} plain (95 % interval "
        f"{_interval(row)}, {_p(row)}, n = {int(row['n'])})"
    )


def _nothing_clear(rivals: list[Row]) -> str:
    known = [row for row in rivals if not np.isnan(row["difference"])]
    text = "no method differs clearly from plain fine-tuning."
    if not known:
        return text
    largest = max(known, key=lambda row: abs(row["difference"]))
    if points(largest["difference"]) == "0.0":
        return text + " Every difference is below 0.1 points." + _too_few(known)
    text += (
        f" The largest difference is that of {label(largest['method'])}: "
        f"{points(largest['difference'])} points (95 % interval {_interval(largest)}, "
        f"{_p(largest)}, n = {int(largest['n'])})."
    )
    return text + _almost(known) + _too_few(known)


def _almost(rivals: list[Row]) -> str:
    """Say why differences whose own interval excludes zero are not called clear."""
    almost = [row for row in rivals if excludes_zero(row, "difference") and not is_clear(row)]
    if len(almost) > 1:
        names = listed([label(row["method"]) for row in almost])
        return (
            f" {names}: the 95 % intervals exclude zero, but the adjusted intervals do not, or the "
            f"adjusted p is {LEVEL:g} or more, so these differences are not clear."
        )
    return "".join(
        f" {label(row['method'])}: the 95 % interval excludes zero, but adjusted for the "
        f"number of rivals it is {points_range(row['adjusted_low'], row['adjusted_high'])} "
        f"with {_p(row)}, so the difference is not clear."
        for row in almost
    )


def _too_few(rivals: list[Row]) -> str:
    """Return a warning where even the most extreme outcome would not have passed the test."""
    tests = sum(not np.isnan(row["p_value"]) for row in rivals)
    n = min(int(row["n"]) for row in rivals)
    smallest = min(1.0, tests * 2.0 ** (1 - n))
    if tests and smallest < LEVEL:
        return ""
    return f" With n = {n} this test could not have shown any difference, whatever its size."


def _others(rivals: list[Row], clear: list[Row]) -> str:
    others = [label(row["method"]) for row in rivals if row not in clear]
    return f"No clear difference for {listed(others)}." if others else ""


def _null_too(clear: list[Row]) -> str:
    """Return a warning where groups with random members do the same as the real ones."""
    signs = {row["method"]: np.sign(row["difference"]) for row in clear}
    for method in filter(None, map(method_class, signs)):
        if signs.get(method.null_of) == signs[method.name]:
            return f" {method.null_note}"
    return ""


def _interval(row: Row) -> str:
    if np.isnan(row["difference_low"]):
        return "unknown"
    return points_range(row["difference_low"], row["difference_high"])


def _p(row: Row) -> str:
    return p_phrase(row["p_holm"], "adjusted p")
