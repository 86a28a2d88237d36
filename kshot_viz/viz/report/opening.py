"""How a report begins: differences, findings, whether they hold, and which neurons share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kshot_viz.study.findings.finding import findings, label
from kshot_viz.viz.comparison.differences import differences_frame, plot_differences
from kshot_viz.viz.report.alike_text import ABOUT, HEAD, SAID, cells, methods_of, verdicts
from kshot_viz.viz.report.alike_text import null_sentences as against_nulls
from kshot_viz.viz.report.html import folded, led, paragraphs, section, table, themed_picture
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
        paragraphs(findings(summary), "finding"),
        _robustness(comparison.robustness(), summary),
        _alike(comparison),
    ]


def _differences(comparison: ReportedComparison) -> str:
    """Return the forest plot for a light and a dark page; nothing where nothing differs."""
    if not len(differences_frame(comparison)):
        return ""
    figure = figure_of(plot_differences(comparison))
    light = to_png(figure, dpi=_DPI, transparent=True)
    recolour(figure, dark=True)
    dark = to_png(figure, dpi=_DPI, transparent=True)
    return themed_picture(light, dark, _CAPTION, round(96 * figure.get_figwidth()))


def _robustness(variants: pd.DataFrame, summary: pd.DataFrame) -> str:
    sentences = robustness_sentences(variants, summary)
    if len(sentences) < 1:
        return ""
    head, rows = robustness_cells(variants)
    whole = table("Differences to plain, by settings", head, rows, numbers_from=6)
    return section(
        "Does it hold at other settings?",
        led(sentences),
        folded(f"All {len(rows)} differences", whole),
    )


def _alike(comparison: ReportedComparison) -> str:
    """Return the verdict on the groups, and a table a measure; all but the first fold away."""
    tables = [
        table(f"{title}, {label(method)}: {SAID[str(measure)]}", HEAD, cells(rows))
        for title, method, part in methods_of(comparison.alike)
        for measure, rows in part.groupby("measure", sort=False)
    ]
    sentences = [*against_nulls(comparison), *verdicts(comparison.alike)]
    opened, others = tables[:2], tables[2:]
    return section(
        "Does it matter which neurons share a group?",
        led(sentences),
        *opened,
        folded(f"{len(others)} more tables", *others) if others else "",
        f'<div class="notes">{paragraphs([ABOUT], "note")}</div>' if tables else "",
    )
