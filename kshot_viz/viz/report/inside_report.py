"""Report of a fine-tune from inside: one HTML file that can be mailed and read offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kshot_viz.analysis.dynamics.state import KEPT, TO_START
from kshot_viz.analysis.whole.finetune_analysis import FinetuneAnalysis
from kshot_viz.checks import checked, instance
from kshot_viz.errors import KShotFileError
from kshot_viz.viz.analysis.alignment import plot_alignment
from kshot_viz.viz.analysis.dynamics import plot_dynamics
from kshot_viz.viz.analysis.layer_similarity import plot_layer_similarity
from kshot_viz.viz.analysis.transfer import plot_masking, plot_transfer
from kshot_viz.viz.report.html import code, folded, frame_html, page, paragraphs, picture, section
from kshot_viz.viz.style.canvas import figure_of, to_png, write_file
from kshot_viz.viz.topology.mapper_plot import plot_mapper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 130
_BY_STEP = {
    "f-RWA": "Alignment of what goes out of a layer with its weights",
    KEPT: "Share of the gradient's energy that is left when each group has its mean",
    TO_START: "Similarity of a layer's outputs to those before the first step",
}
_WHAT = {
    "layers": "Each layer before against each layer after tuning, on images that were not trained "
    "on. 1 is the same up to rotation and scale.",
    "alignment": "Whether representations, gradients and weights of a layer point in the same "
    "directions. Compare each number with those below it: untrained, and rotated at random.",
    "dynamics": "Dashes are an untrained copy, dots what chance gives.",
    "topology": "A node is a cluster of images whose activations are alike, an edge joins nodes "
    "that share images; noise is counted below the title. Only the distance of purity to shuffled "
    "labels counts.",
    "transfer": "The pretrained weights beside random ones, on the same episodes, with only a new "
    "head trained and with everything fine-tuned.",
}


@checked(found=instance(FinetuneAnalysis))
def write_inside_report(
    found: FinetuneAnalysis, path: str | Path, *, command: str | None = None
) -> Path:
    """Write one HTML file with findings, figures and tables of a fine-tune seen from inside.

    Parameters
    ----------
    found : FinetuneAnalysis
        Of :func:`kshot_viz.analysis.analyse_finetune`.
    path : str or Path
        The file; missing folders are made.
    command : str, optional
        The command that made it.

    Raises
    ------
    KShotFileError
        If ``path`` is a folder or cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise KShotFileError(f"{target} is a folder; name the file, {target / 'report.html'} say.")
    title = f"Inside a fine-tune of {found.network} on {found.data}"
    body = [
        section("What this showed", paragraphs(found.findings(), "finding")),
        section("Step by step", _about("dynamics"), *_dynamics(found)),
        section("Layers before and after", *_layers(found)),
        section("Alignment after tuning", *_alignment(found)),
        section("Topology of activations", *_topology(found)),
        section("Does pretraining help?", *_transfer(found)),
        section("Run it again", code(command) if command else ""),
    ]
    return write_file(target, page(title, filter(None, body)).encode("utf-8"))


def _about(part: str) -> str:
    return paragraphs([_WHAT[part]], "note")


def _dynamics(found: FinetuneAnalysis) -> Iterator[str]:
    for measure, caption in _BY_STEP.items():
        yield _picture(plot_dynamics(found.dynamics, measure), caption)
    yield _numbers("dynamics", found)


def _layers(found: FinetuneAnalysis) -> Iterator[str]:
    if found.layers is None:
        return
    yield _about("layers")
    yield _picture(plot_layer_similarity(found.layers), "Similarity of layers before and after")
    yield _numbers("layers", found)


def _alignment(found: FinetuneAnalysis) -> Iterator[str]:
    if found.alignment is None:
        return
    yield _about("alignment")
    yield _picture(plot_alignment(found.alignment), "Six relations of every layer")
    yield _numbers("alignment", found)
    yield _numbers("exponents", found)


def _topology(found: FinetuneAnalysis) -> Iterator[str]:
    if (graphs := found.topology) is None:
        return
    yield _about("topology")
    for moment, graph in (("before", graphs.before), ("after", graphs.after)):
        caption = f"Activations of {graphs.layer} {moment} tuning"
        yield _picture(plot_mapper(graph, colour_by="class"), caption)
        yield _numbers(f"nodes_{moment}", found)
    yield _numbers("matched_nodes", found)


def _transfer(found: FinetuneAnalysis) -> Iterator[str]:
    if (grid := found.transfer) is None:
        return
    yield _about("transfer")
    yield _picture(plot_transfer(grid), "Gain of the pretrained weights over random ones")
    yield _picture(plot_masking(grid), "What full fine-tuning hides")
    yield _numbers("transfer", found)
    yield _numbers("masking", found)


def _numbers(name: str, found: FinetuneAnalysis) -> str:
    words = name.replace("_", " ")
    return folded(f"The numbers: {words}", frame_html(found.frames()[name], words))


def _picture(drawn: Figure | Axes, caption: str) -> str:
    figure = figure_of(drawn)
    return picture(to_png(figure, dpi=_DPI), caption, round(96 * figure.get_figwidth()))
