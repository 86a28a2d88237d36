"""The commands that make and use a classifier, and fetch weights for it: one network, no table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kshot_viz.cli import options as opt
from kshot_viz.cli.options import command_line

if TYPE_CHECKING:
    from kshot_viz.models.loading.fetch import Source


def fit(
    folder: Annotated[Path, typer.Argument(help="One folder of images per class.")],
    out: Annotated[Path, typer.Option(help="Folder for the classifier.")],
    backbone: opt.Network = "glyphnet",
    weights: opt.Weights = "DEFAULT",
    preprocess: opt.Recipe = None,
    size: opt.Size = None,
    invert: opt.Invert = False,
    method: Annotated[
        str, typer.Option(help="recommended: chosen on the images; or a method by name.")
    ] = "recommended",
    source: opt.Source = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write classifier.onnx too; needs kshot-viz\\[onnx].")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: opt.Workers = None,
    skip_bad: opt.SkipBad = False,
    max_pixels: opt.MaxPixels = None,
    seed: opt.Seed = 0,
) -> None:
    """Make a classifier of your own images, and say what accuracy to expect."""
    from kshot_viz.cli.fit import FitRequest, run_fit

    request = FitRequest(
        folder=str(folder.absolute()),
        backbone=backbone,
        weights=opt.weights_from_text(weights),
        preprocess=preprocess,
        size=size,
        invert=invert,
        method=method,
        source=None if source is None else str(source.absolute()),
        onnx=onnx,
        device=device,
        skip_bad=skip_bad,
        max_pixels=max_pixels,
        seed=seed,
    )
    run_fit(request, out, workers=workers, command=command_line())


def predict(
    folder: Annotated[Path, typer.Argument(help="A folder that fit wrote.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the probabilities of all classes.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, with a column of probabilities per class.")
    ] = False,
    skip_bad: opt.SkipBad = False,
    max_pixels: opt.MaxPixels = None,
) -> None:
    """Print the class of every image, and how probable it is."""
    from kshot_viz.cli.fit import run_predict

    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both.")
    form = "json" if as_json else "csv" if as_csv else "table"
    run_predict(folder, images, form=form, skip_bad=skip_bad, max_pixels=max_pixels)


def fetch(
    name: Annotated[
        str | None, typer.Argument(help="A network of torchvision, such as squeezenet1_1.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Which of the network's weights.")] = "DEFAULT",
    everything: Annotated[
        bool, typer.Option("--list", help="List what can be fetched, the smallest file first.")
    ] = False,
) -> None:
    """Fetch trained weights of a network for photographs once, check them, and keep them."""
    from kshot_viz.models.loading import fetch as fetching

    if everything == (name is not None):
        raise typer.BadParameter("give the NAME of a network, or --list.")
    if name is None:
        typer.echo(_listed(fetching.all_sources()))
        return
    source = fetching.source_of(name, weights)
    typer.echo(_told(source))
    there = source.cached
    path = fetching.fetch(source, progress=sys.stderr.isatty())
    said = "It was there already" if there else "Fetched"
    typer.echo(f"{said}, with the right hash ({source.digits}...): {path}")


def _told(source: Source) -> str:
    """Say what is fetched, from where, and under which terms."""
    lines = [
        f"{source.network}, weights {source.weights}, {source.megabytes:.1f} MB",
        f"Source:  {source.address}",
        *([f"Recipe:  {source.recipe}"] if source.recipe else []),
        f"Licence: {source.licence}",
    ]
    return "\n".join(lines)


def _listed(sources: list[Source]) -> str:
    lines = [f"{'network':<22} {'MB':>7}  {'ImageNet, %':>11}  weights"]
    for one in sources:
        accuracy = "" if one.accuracy is None else f"{one.accuracy:.1f}"
        kept = ", in the cache" if one.cached else ""
        lines.append(
            f"{one.network:<22} {one.megabytes:>7.1f}  {accuracy:>11}  {one.weights}{kept}"
        )
    return "\n".join(lines)
