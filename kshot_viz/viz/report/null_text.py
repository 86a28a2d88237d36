"""What a report says about the accuracy of groups beside groups with random members."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kshot_viz.methods.registry import method_class
from kshot_viz.stats import holm
from kshot_viz.study.findings.equal_settings import VALUES, at_equal_settings
from kshot_viz.study.findings.finding import (
    LEVEL,
    excludes_zero,
    label,
    p_phrase,
    titled_tasks,
)
from kshot_viz.study.footer import doubt
from kshot_viz.study.task import Task
from kshot_viz.text import counted, points, points_range
from kshot_viz.viz.comparison.selection import records

if TYPE_CHECKING:
    from kshot_viz.viz.comparison.selection import ReportedComparison

Row = Mapping[str, Any]
QUESTION = "it matters which neurons share a group"


def null_sentences(comparison: ReportedComparison) -> list[str]:
    """Return whether the accuracy of groups differs from that of their nulls, task by task.

    Each has its own chosen settings, so a difference there may come from the choice; it is compared
    with that at equal settings, on the tuning episodes. It is said to matter which neurons share a
    group only where both are clear and have the same sign. p is adjusted for the number of
    sentences.
    """
    names = list(dict.fromkeys(comparison.settings["method"]))
    made = []
    for null in filter(None, map(method_class, names)):
        if null.null_of in names:
            made += _tasks(comparison, null.null_of, null.name)
    adjusted = holm([row["p_value"] for _, row, _ in made])
    return [
        f"{title}: {_sentence({**row, 'p_holm': p}, equal, doubt(comparison.manifest))}"
        for (title, row, equal), p in zip(made, adjusted, strict=True)
    ]


def _tasks(comparison: ReportedComparison, method: str, null: str) -> list[tuple[str, Row, Row]]:
    """Return the title of each task, the difference at the chosen settings and at equal ones."""
    at_equal = at_equal_settings(comparison.frame, method, null)
    made: list[tuple[str, Row, Row]] = []
    for title, rows in titled_tasks(comparison.summary(reference=null)):
        by_name = {row["method"]: row for row in rows}
        if {method, null} <= set(by_name) and not math.isnan(by_name[method]["difference"]):
            row = by_name[method]
            equal = records(Task.of(row).rows(at_equal))
            about = {"null": null, "same": _same(row, by_name[null])}
            made.append((title, {**row, **about}, equal[0] if equal else {}))
    return made


def _same(row: Row, null: Row) -> bool:
    return all(row[name] == null[name] for name in VALUES)


def _sentence(row: Row, equal: Row, unsure: str) -> str:
    which = "the same chosen settings" if row["same"] else "their own chosen settings"
    text = (
        f"in accuracy, {label(row['method'])} differ from {label(row['null'])} by "
        f"{points(row['difference'])} points at {which}"
    )
    if math.isnan(row["difference_low"]):
        return f"{text} in one episode, which shows nothing."
    interval = points_range(row["difference_low"], row["difference_high"])
    p = p_phrase(row["p_holm"], "adjusted p")
    text += f" (95 % interval {interval}, {p}, n = {int(row['n'])})"
    if equal:
        text += f", and by {_at_equal(equal)}"
    return f"{text}: {_verdict(row, equal, unsure)}."


def _at_equal(row: Row) -> str:
    settings = counted(int(row["settings"]), "setting")
    text = f"{points(row['difference'])} at equal settings, over the {settings} that both ran with"
    episodes = counted(int(row["n"]), "tuning episode")
    if math.isnan(row["low"]):
        return f"{text} ({episodes})"
    return f"{text} (95 % interval {points_range(row['low'], row['high'])}, {episodes})"


def _verdict(row: Row, equal: Row, unsure: str) -> str:
    chosen_clear = excludes_zero(row, "difference") and row["p_holm"] < LEVEL
    equal_clear = bool(equal) and bool(equal["low"] > 0 or equal["high"] < 0)
    if not chosen_clear and not equal_clear:
        return f"no clear sign that {QUESTION}"
    if equal and row["difference"] * equal["difference"] <= 0:
        return f"the two signs are not the same, so there is no sign that holds that {QUESTION}"
    if chosen_clear and (equal_clear or (not equal and row["same"])):
        side = "helps" if row["difference"] > 0 else "harms"
        return f"{QUESTION}: sharing among these neurons {side}, compared with random ones{unsure}"
    if not equal:
        why = "nothing ran at equal settings, and the choice of settings may have made it"
    elif chosen_clear:
        why = "it is clear at the chosen settings alone, and their choice may have made it"
    else:
        why = "it is clear at equal settings alone"
    return f"{why}, so it is not clear whether {QUESTION}"
