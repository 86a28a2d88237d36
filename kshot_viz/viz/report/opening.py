"""How a report begins: differences, findings, whether they hold, and which neurons share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kshot_viz.study.findings.finding import findings, label
from kshot_viz.viz.comparison.differences import differences_frame, plot_differences
from kshot_viz.viz.report.alike_text import (
    ABOUT,
    HEAD,
    SAID,
    cells,
    methods_of,
    verdicts,
)
from kshot_viz.viz.report.collapse_findings import collapse_findings
from kshot_viz.viz.report.html import folded, led, paragraphs, section, table, themed_picture
from kshot_viz.viz.report.null_text import null_sentences
from kshot_viz.viz.report.robustness_text import robustness_cells, robustness_sentences
from kshot_viz.viz.style.canvas import figure_of, to_png
from kshot_viz.viz.style.dark_mode import recolour

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.viz.comparison.selection import ReportedComparison

_DPI = 160
_CAPTION = "Paired differences of accuracy to plain fine-tuning"


def opening(comparison: ReportedComparison, summary: pd.DataFrame) -> list[str]:
    """Return the parts of a page that come before its tables."""
    return [
        _differences(comparison),
        paragraphs(findings(summary, comparison.manifest), "finding"),
        _robustness(comparison, summary),
        _alike(comparison),
    ]


def _differences(comparison: ReportedComparison) -> str:
    """Return the forest plot for a light and a dark page; nothing without a difference."""
    if not len(differences_frame(comparison)):
        return ""
    figure = figure_of(plot_differences(comparison))
    light = to_png(figure, dpi=_DPI, transparent=True)
    recolour(figure, dark=True)
    dark = to_png(figure, dpi=_DPI, transparent=True)
    return themed_picture(light, dark, _CAPTION, round(96 * figure.get_figwidth()))


def _robustness(comparison: ReportedComparison, summary: pd.DataFrame) -> str:
    """Return whether the findings hold at other settings; all numbers fold away."""
    variants = comparison.robustness()
    tuned = comparison.manifest.get("tune") is not None
    sentences = [
        *robustness_sentences(variants, summary, tuned=tuned),
        *collapse_findings(comparison),
    ]
    if not sentences:
        return ""
    return section("Does it hold at other settings?", led(sentences), _all_differences(variants))


def _all_differences(variants: pd.DataFrame) -> str:
    if not len(variants):
        return ""
    head, rows = robustness_cells(variants)
    whole = table("Differences to plain, by settings", head, rows, numbers_from=6)
    return folded(f"All {len(rows)} differences", whole)


def _alike(comparison: ReportedComparison) -> str:
    """Return the verdict on the groups; tables but those of the first task and method fold away.

    A sentence on the first method of each task, which is the one whose neurons are the question,
    stands with the verdict, those on others with their tables.
    """
    sentences, titles = list(null_sentences(comparison)), set()
    shown: list[str] = []
    more: list[str] = []
    for title, method, part in methods_of(comparison.alike):
        about = f"{title}, {label(method)}"
        sentence = f"{about}: {verdicts(part)}"
        if title in titles:
            more.append(led([sentence]))
        else:
            sentences.append(sentence)
            titles.add(title)
        (more if shown else shown).extend(
            table(f"{about}: {SAID[str(measure)]}", HEAD, cells(rows))
            for measure, rows in part.groupby("measure", sort=False)
        )
    return section(
        "Does it matter which neurons share a group?",
        led(sentences),
        *shown,
        folded("Other tasks and groupings", *more) if more else "",
        f'<div class="notes">{paragraphs([ABOUT], "note")}</div>' if shown else "",
    )
