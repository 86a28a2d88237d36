"""What a comparison shows, in words that claim no more than its test does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.study.tables import HEAVY_REUSE
from kshot_viz.viz.canvas import counted
from kshot_viz.viz.colours import method_label
from kshot_viz.viz.table import LEVEL, REFERENCE, is_clear, p_text, points, tasks
from kshot_viz.viz.tasks import task_name

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


def headlines(summary: pd.DataFrame) -> list[str]:
    """Return one sentence or two per task: which methods differ clearly from plain fine-tuning.

    A difference is clear where its 95 % interval excludes zero and Holm's adjusted p is below 0.05.
    """
    return [
        f"{task_name(way, shot)}: {_headline(rows)}" for (way, shot), rows in tasks(summary).items()
    ]


def footer(manifest: Mapping[str, Any]) -> list[str]:
    """Return what must stand under every table: labels used, episodes, images, tests."""
    parts = [_tuning(manifest), _scoring(manifest), _testing()]
    reuse = float(manifest.get("query_reuse", 0))
    if reuse > HEAVY_REUSE:
        parts.append(
            "Warning: the episodes share their query images heavily, so they are not independent: "
            "the intervals are too narrow and the p-values too small."
        )
    return [part for part in parts if part]


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
    said = "; ".join(map(_difference, best_first))
    return f"{said}. {_others(rivals, clear)}{_null_too(clear)}".strip()


def _difference(row: Row) -> str:
    side = "above" if row["difference"] > 0 else "below"
    size = points(abs(row["difference"])).lstrip("+")
    return (
        f"{method_label(row['method'])} scored {size} points {side} plain (95 % interval "
        f"{_interval(row)}, {_p(row)}, n = {int(row['n'])})"
    )


def _nothing_clear(rivals: list[dict[str, Any]]) -> str:
    known = [row for row in rivals if not np.isnan(row["difference"])]
    said = "no method differs clearly from plain fine-tuning."
    if not known:
        return said
    largest = max(known, key=lambda row: abs(row["difference"]))
    said += (
        f" The largest difference is that of {method_label(largest['method'])}: "
        f"{points(largest['difference'])} points (95 % interval {_interval(largest)}, "
        f"{_p(largest)}, n = {int(largest['n'])})."
    )
    return said + _too_few(known)


def _too_few(rivals: list[dict[str, Any]]) -> str:
    """Say so where even the most lopsided outcome would not have passed the test."""
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
    """Say so where groups with members drawn at random do the same as the real ones."""
    signs = {row["method"]: np.sign(row["difference"]) for row in clear}
    if "grouped" in signs and signs.get("shuffled") == signs["grouped"]:
        return (
            " Groups with shuffled members differ from plain in the same direction, so this "
            "need not come from which neurons share a group."
        )
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


def _tuning(manifest: Mapping[str, Any]) -> str:
    tune, used = manifest.get("tune"), manifest.get("labels_used_for_tuning", 0)
    if tune is None:
        return "Nothing was tuned: every method ran at the setting it was given."
    own = "Each method ran at its own best step size and number of steps, chosen on"
    episodes = counted(int(manifest.get("n_val", 0)), "tuning episode")
    if tune == "validation":
        return (
            f"{own} {episodes} a task, drawn from images apart from the test images. That used "
            f"{counted(int(used), 'labelled target image')} beyond the k shots."
        )
    return f"{own} {episodes} a task of source data. No target label beyond the k shots was used."


def _scoring(manifest: Mapping[str, Any]) -> str:
    if "n_test" not in manifest:
        return ""
    return (
        f"{counted(int(manifest['n_test']), 'test episode')} in all, scored on "
        f"{counted(int(manifest['distinct_images']), 'distinct image')}; a query image is used "
        f"{float(manifest['query_reuse']):.1f} times on average."
    )


def _testing() -> str:
    return (
        "Intervals are 95 % bootstrap intervals over episodes. p is Wilcoxon's signed-rank test "
        "against plain on the same episodes, adjusted for the number of rivals by Holm's method."
    )
