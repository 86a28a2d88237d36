"""The summary of a comparison as sentences, as text for the terminal and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.methods.registry import method_class
from kshot_viz.study.footer import footer
from kshot_viz.study.overview import LEVEL, excludes_zero, is_clear
from kshot_viz.viz.comparison.selection import task_name
from kshot_viz.viz.report.choice_notes import choice_notes
from kshot_viz.viz.report.table import (
    REFERENCE,
    TableBlock,
    blocks,
    clear_notes,
    task_records,
)
from kshot_viz.viz.style.colours import method_label
from kshot_viz.viz.style.intervals import p_text, points

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.viz.comparison.selection import ComparisonLike

WIDTH = 80
Row = Mapping[str, Any]


def summary_text(comparison: ComparisonLike) -> str:
    """Return findings, tables and notes, aligned for a terminal of 80 columns."""
    summary = comparison.summary()
    made = blocks(summary)
    parts = [
        *_wrapped(headlines(summary)),
        *(_text_block(block) for block in made),
        *_wrapped(clear_notes(made)),
        "\n".join(_wrapped(notes(comparison), "- ")),
    ]
    return "\n\n".join(parts) + "\n"


def summary_markdown(comparison: ComparisonLike) -> str:
    """Return the same as Markdown, for pages of documentation."""
    summary = comparison.summary()
    made = blocks(summary)
    parts = [
        "\n".join(f"- {_escaped(line)}" for line in headlines(summary)),
        *(_markdown_block(block) for block in made),
        "\n".join(f"- {_escaped(line)}" for line in [*clear_notes(made), *notes(comparison)]),
    ]
    return "\n\n".join(parts) + "\n"


def notes(comparison: ComparisonLike) -> list[str]:
    """Return what stands under the tables: about the chosen settings, labels, episodes, tests."""
    return [*choice_notes(comparison.settings), *footer(comparison.manifest)]


def _wrapped(lines: Iterable[str], mark: str = "") -> list[str]:
    return [
        textwrap.fill(
            line,
            WIDTH,
            initial_indent=mark,
            subsequent_indent=" " * len(mark),
            break_on_hyphens=False,
        )
        for line in lines
    ]


def _text_block(block: TableBlock) -> str:
    lines = [block.head, *(row.cells for row in block.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *rows = [_aligned(line, widths) for line in lines]
    return "\n".join([block.title, "-" * len(block.title), head, *rows])


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Align the first three columns (a name, two numbers with intervals) left, the rest right."""
    parts = [
        cell.ljust(width) if column < 3 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()


def _markdown_block(block: TableBlock) -> str:
    rule = ["---"] * 3 + ["---:"] * (len(block.head) - 3)
    lines = [block.head, rule, *(row.cells for row in block.rows)]
    table = ["| " + " | ".join(map(_escaped, line)) + " |" for line in lines]
    return "\n".join([f"**{block.title}**", "", *table])


def _escaped(text: str) -> str:
    """Escape characters that have a meaning in Markdown."""
    for mark in "\\|*_`<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def headlines(summary: pd.DataFrame) -> list[str]:
    """Return some sentences per task: which methods differ clearly from plain fine-tuning.

    A difference is clear where its interval, adjusted for the number of rivals, excludes zero and
    Holm's adjusted p is below 0.05. Where the 95 % interval alone excludes zero it is said why the
    difference is not called clear.
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
    return f"{found}. {_others(rivals, clear)}{_almost(rivals)}{_null_too(clear)}".strip()


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
    return text + _almost(known) + _too_few(known)


def _almost(rivals: list[dict[str, Any]]) -> str:
    """Say why differences whose own interval excludes zero are not called clear."""
    return "".join(
        f" {method_label(row['method'])}: the 95 % interval excludes zero, but adjusted for the "
        f"number of rivals it is {points(row['adjusted_low'])} to {points(row['adjusted_high'])} "
        f"with {_p(row)}, so the difference is not clear."
        for row in rivals
        if excludes_zero(row, "difference") and not is_clear(row)
    )


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
