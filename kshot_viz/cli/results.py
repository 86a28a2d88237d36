"""Files of a finished comparison: rows, figures, report, and the request to load its inputs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kshot_viz.cli.figures import comparison_figures, grouping_figures
from kshot_viz.errors import KShotFileError

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

REQUEST = "request.json"


def write_results(
    comparison: Comparison,
    out: Path,
    *,
    inputs: tuple[Backbone, ImageDataset, ImageDataset | None],
    title: str,
    command: str,
    request: Mapping[str, Any],
) -> None:
    """Write the rows first, then every figure as PNG and the report; print the table.

    ``inputs`` are the network, the images to be recognised, and the source of the groups.
    """
    from kshot_viz.viz import save_figure, summary_text, write_report

    comparison.save(out)
    save_request(out, {**request, "command": command})
    figures = comparison_figures(comparison) | grouping_figures(comparison, *inputs)
    for name, figure in figures.items():
        save_figure(figure, out / f"{_file_name(name)}.png")
    report = write_report(
        comparison, out / "report.html", figures=figures, title=title, command=command
    )
    typer.echo(summary_text(comparison))
    typer.echo(f"\nRows: {out / 'results.parquet'}. Page: {report}.")
    typer.echo(f"Any row again: {shlex.join(['kshot-viz', 'replay', str(out), '--row', '0'])}")


def save_request(out: Path, request: Mapping[str, Any]) -> None:
    """Write what is needed to load the same data and network again."""
    (out / REQUEST).write_text(json.dumps(dict(request), indent=1), encoding="utf-8")


def refuse_another(out: Path, request: Mapping[str, Any]) -> None:
    """Raise a KShotFileError where a folder holds the results of another request.

    They would be replaced, while its figures and the notes on its rows stay.
    """
    if not (out / REQUEST).exists():
        return
    held, wanted = load_request(out), json.loads(json.dumps(dict(request)))
    differing = sorted(name for name in wanted if wanted[name] != held.get(name))
    if differing:
        raise KShotFileError(
            f"{out} holds another comparison; they differ in {', '.join(differing)}. Choose "
            "another `--out`, or remove the folder."
        )


def load_request(out: Path) -> dict[str, Any]:
    """Read the request back; a KShotFileError names the file."""
    try:
        return dict(json.loads((out / REQUEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise KShotFileError(f"{out / REQUEST} cannot be read: {error}") from error


def _file_name(caption: str) -> str:
    """Return ``accuracy_against_step_size_1_shot``: words of a caption in a file's name."""
    return "_".join(re.findall(r"\w+", caption.lower()))
