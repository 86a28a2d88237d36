"""The summary of a comparison as sentences, as text for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kshot_viz.study.findings.finding import findings
from kshot_viz.study.footer import footer, tuning_unit
from kshot_viz.text import wrapped
from kshot_viz.viz.report.choice_notes import choice_notes
from kshot_viz.viz.report.collapse_findings import collapse_findings
from kshot_viz.viz.report.table import TableBlock, blocks, clear_notes

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.viz.comparison.selection import ComparisonLike

WIDTH = 80


def summary_text(comparison: ComparisonLike) -> str:
    """Return findings, tables and notes, aligned for a terminal of 80 columns."""
    summary = comparison.summary()
    made = blocks(summary)
    parts = [
        *_wrapped(all_findings(comparison, summary)),
        *(_text_block(block) for block in made),
        *_wrapped(clear_notes(made)),
        "\n".join(_wrapped(notes(comparison), "- ")),
    ]
    return "\n\n".join(parts) + "\n"


@runtime_checkable
class Findings(Protocol):
    """What states its findings itself."""

    def findings(self) -> list[str]:
        """Return one sentence or more for each finding."""


def findings_text(found: ComparisonLike | Findings) -> str:
    """Return the findings alone, one paragraph each.

    Parameters
    ----------
    found : Comparison, SamplerComparison, or anything with a method ``findings``
        Of a comparison: clear differences to plain, and where tuning runs collapsed.
    """
    if isinstance(found, Findings):
        return "\n".join(_wrapped(found.findings()))
    return "\n".join(_wrapped(all_findings(found, found.summary())))


def summary_markdown(comparison: ComparisonLike) -> str:
    """Return the same as Markdown, for pages of documentation."""
    summary = comparison.summary()
    made = blocks(summary)
    parts = [
        "\n".join(f"- {_escaped(line)}" for line in all_findings(comparison, summary)),
        *(_markdown_block(block) for block in made),
        "\n".join(f"- {_escaped(line)}" for line in [*clear_notes(made), *notes(comparison)]),
    ]
    return "\n\n".join(parts) + "\n"


def all_findings(comparison: ComparisonLike, summary: pd.DataFrame) -> list[str]:
    """Return what was found: clear differences to plain, then where runs collapsed."""
    return [*findings(summary, comparison.manifest), *collapse_findings(comparison)]


def notes(comparison: ComparisonLike) -> list[str]:
    """Return what stands under the tables: about the chosen settings, labels, episodes, tests."""
    unit = tuning_unit(comparison.manifest)
    return [*choice_notes(comparison.settings, unit), *footer(comparison.manifest)]


def _wrapped(lines: Iterable[str], mark: str = "") -> list[str]:
    return ["\n".join(wrapped(line, WIDTH, mark)) for line in lines]


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
