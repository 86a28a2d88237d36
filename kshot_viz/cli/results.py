"""What a run leaves behind: rows, figures, one page, and how to load its inputs again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotFileError
from kshot_viz.files import read_json, write_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison


REQUEST = "request.json"
# How much runs, and what is taken from it: the rows that are there serve again.
_MAY_CHANGE = {"budget_minutes", "choose", "race", "full"}


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
    from kshot_viz.viz import plot_differences, save_figure, summary_text, write_report
    from kshot_viz.viz.comparison.differences import differences_frame

    comparison.save(out)
    save_request(out, {**request, "command": command})
    figures = comparison_figures(comparison) | grouping_figures(comparison, *inputs)
    differences = (
        {"Differences to plain": _figure(plot_differences(comparison))}
        if len(differences_frame(comparison))
        else {}
    )
    for name, figure in (differences | figures).items():
        save_figure(figure, out / f"{_file_name(name)}.png")
    report = write_report(
        comparison, out / "report.html", figures=figures, title=title, command=command
    )
    typer.echo(summary_text(comparison))
    typer.echo(f"\nRows: {out / 'results.parquet'}. Page: {report}.")
    typer.echo(f"Any row again: {shlex.join(['kshot-viz', 'replay', str(out), '--row', '0'])}")


def save_request(out: Path, request: Mapping[str, Any]) -> None:
    """Write what is needed to load the same data and network again."""
    write_json(out / REQUEST, dict(request), indent=1)


def refuse_another(out: Path, request: Mapping[str, Any]) -> None:
    """Raise a KShotFileError where a folder holds the results of another request.

    They would be replaced, while its figures and the notes on its rows stay. A request may differ
    from the one before in how much runs and in how settings are chosen: it goes on from its rows.
    """
    if not (out / REQUEST).exists():
        return
    held, wanted = load_request(out), json.loads(json.dumps(dict(request)))
    # What another version did not know yet was off. As texts: 1 group is not a share of 1.0.
    differing = sorted(
        name
        for name in set(wanted) - _MAY_CHANGE
        if json.dumps(wanted[name] or None) != json.dumps(held.get(name) or None)
    )
    if differing:
        raise KShotFileError(
            f"{out} holds another comparison; they differ in {', '.join(differing)}. Choose "
            "another `--out`, or remove the folder."
        )


def load_request(out: Path) -> dict[str, Any]:
    """Read the request back; a KShotFileError names the file."""
    record = read_json(out / REQUEST)
    if not isinstance(record, dict):
        raise KShotFileError(f"{out / REQUEST} holds no request.")
    return record


def _file_name(caption: str) -> str:
    """Return ``accuracy_against_step_size_1_shot``: words of a caption in a file's name."""
    return "_".join(re.findall(r"\w+", caption.lower()))


SHOWN = 256


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Return accuracy against shots, and against step size for every shot."""
    from kshot_viz.viz import plot_accuracy, plot_step_size

    figures = {"Accuracy": _figure(plot_accuracy(comparison))}
    if len(comparison.curve()):
        for shot in sorted(comparison.frame["shot"].unique().tolist()):
            axes = plot_step_size(comparison, shot=shot)
            figures[f"Accuracy against step size, {shot} shot"] = _figure(axes)
    return figures


def grouping_figures(
    comparison: Comparison, backbone: Backbone, data: ImageDataset, source: ImageDataset | None
) -> dict[str, Figure]:
    """Return the groups that the comparison used: of the source, or of its first test episode."""
    from kshot_viz.viz import plot_filters, plot_group_sizes, plot_neuron_map, plot_similarity

    used = comparison.grouping(data=data)
    if used is None:
        return {}
    grouping, episode = used
    support, _ = episode.split(data)
    images, origin = (
        (support, f"episode {episode.name}") if source is None else (source, "the source")
    )
    some = np.linspace(0, len(images) - 1, min(len(images), SHOWN)).astype(int)
    activations = capture_activations(backbone, images.take(some))
    layer = list(grouping)[len(grouping) // 2]
    axes = {
        "First-layer filters": plot_filters(backbone, grouping),
        f"Similarity of neurons in {layer}": plot_similarity(activations, layer, grouping),
        f"Map of neurons in {layer}": plot_neuron_map(activations, layer, grouping),
        "Group sizes": plot_group_sizes(grouping),
    }
    return {f"{title}, groups of {origin}": _figure(drawn) for title, drawn in axes.items()}


def _figure(axes: Axes) -> Figure:
    return axes.get_figure()  # type: ignore[return-value]
