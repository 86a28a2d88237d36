"""Report of a comparison: one HTML file that can be mailed, archived and read offline."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotFileError
from kshot_viz.study.footer import tuning_unit
from kshot_viz.viz.comparison.selection import records
from kshot_viz.viz.report.html import code, facts, folded, page, paragraphs, picture, section, table
from kshot_viz.viz.report.opening import opening
from kshot_viz.viz.report.summary_text import notes
from kshot_viz.viz.report.table import TableBlock, blocks, clear_notes, step_sizes
from kshot_viz.viz.style.canvas import figure_of, to_png, write_file
from kshot_viz.viz.style.colours import method_label
from kshot_viz.viz.style.intervals import points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kshot_viz.viz.comparison.selection import ReportedComparison

_DPI = 160
_REPLAY = """\
import kshot_viz as kv

comparison = kv.Comparison.load(FOLDER)    # the folder written by comparison.save(FOLDER)
comparison.frame                           # every run is a row
comparison.replay(row=0, backbone=backbone, data=data)"""
_NAMES = {
    "tune": "tuned on",
    "labels_used_for_tuning": "target labels for tuning",
    "n_test": "test episodes",
    "n_query": "queries an episode",
    "query_reuse": "uses of a query image",
}
_REPLAY_NOTE = (
    "Any row can be run again alone from what it stores. Give the network and the data set it was "
    "made with; both are checked against the fingerprints below."
)


def write_report(
    comparison: ReportedComparison,
    path: str | Path,
    *,
    figures: Mapping[str, Figure | Axes],
    title: str,
    command: str | None = None,
) -> Path:
    """Write one HTML file that tells what a comparison found, and how to replay any row.

    It opens with the paired differences to plain fine-tuning as a figure; then come the findings,
    whether they hold at other settings, whether neurons of a group are alike, the tables, the
    figures that are given, and the settings.

    Parameters
    ----------
    comparison : Comparison
    path : str or Path
        The file; missing folders are made.
    figures : mapping of str to Figure or Axes
        Figures by caption; the caption is the alternative text too.
    title : str
    command : str, optional
        The command that made the comparison.

    Raises
    ------
    KShotFileError
        If ``path`` is a folder or cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise KShotFileError(f"{target} is a folder; name the file, {target / 'report.html'} say.")
    made = report_page(comparison, figures=figures, title=title, command=command)
    return write_file(target, made.encode("utf-8"))


def report_page(
    comparison: ReportedComparison,
    *,
    figures: Mapping[str, Figure | Axes],
    title: str,
    command: str | None = None,
) -> str:
    """Return the page that :func:`write_report` writes."""
    summary, manifest = comparison.summary(), comparison.manifest
    made = blocks(summary)
    whole = json.dumps(dict(manifest), indent=1, default=str, ensure_ascii=False)
    record = folded("The whole record", code(whole))
    replay_note = paragraphs([_REPLAY_NOTE], "note")
    body = [
        *opening(comparison, summary),
        section("Accuracy", *map(_table, made), _notes(made, comparison)),
        section("Figures", *(_picture(caption, one) for caption, one in figures.items())),
        section("What was compared", _about(manifest), _settings(comparison), record),
        section("Run it again", code(command) if command else "", replay_note, code(_REPLAY)),
    ]
    return page(title, filter(None, body))


def _table(block: TableBlock) -> str:
    return table(
        block.title,
        block.head,
        [row.cells for row in block.rows],
        clear=[row.clear for row in block.rows],
        numbers_from=3,
    )


def _notes(made: list[TableBlock], comparison: ReportedComparison) -> str:
    lines = [*clear_notes(made), *notes(comparison)]
    return f'<div class="notes">{paragraphs(lines, "note")}</div>'


def _picture(caption: str, drawn: Figure | Axes) -> str:
    figure = figure_of(drawn)
    return picture(to_png(figure, dpi=_DPI), caption, round(96 * figure.get_figwidth()))


def _about(manifest: Mapping[str, Any]) -> str:
    names = _NAMES | {"n_val": f"{tuning_unit(manifest)}s a task"}
    return facts(
        (names.get(name, name.replace("_", " ")), _manifest_text(name, value))
        for name, value in manifest.items()
    )


def _manifest_text(name: str, value: Any) -> str:
    """Return one entry of the manifest as text; the whole record is folded below."""
    if name == "methods":
        return ", ".join(map(method_label, value))
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_short(part)}" for key, part in value.items())
    return _short(value)


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        shown = ", ".join(map(str, value[:12]))
        return shown if len(value) <= 12 else f"{shown} and {len(value) - 12} more"
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _settings(comparison: ReportedComparison) -> str:
    columns = {
        "method": lambda row: method_label(row["method"]),
        "classes": lambda row: str(int(row["way"])),
        "shots": lambda row: str(int(row["shot"])),
        "lr/head lr": step_sizes,
        "steps": lambda row: str(int(row["steps"])),
        "tuning accuracy, %": lambda row: _percent(row["val_accuracy"]),
        "vs next step size, points": lambda row: _points(row["margin"]),
        f"{tuning_unit(comparison.manifest)}s": lambda row: str(int(row["n_val"])),
        "at an edge": lambda row: row["edge"],
    }
    rows = [[cell(row) for cell in columns.values()] for row in records(comparison.settings)]
    return table("Chosen settings", list(columns), rows)


def _points(difference: float) -> str:
    return "" if math.isnan(difference) else points(difference)


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:.1f}"
