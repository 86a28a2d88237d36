"""The commands that make and use a classifier: ``fit`` and ``predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kshot_viz.cli import options as opt
from kshot_viz.cli.options import command_line


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
        bool, typer.Option("--onnx", help="Write classifier.onnx too; needs kshot-viz[onnx].")
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
    skip_bad: opt.SkipBad = False,
    max_pixels: opt.MaxPixels = None,
) -> None:
    """Print the class of every image, and how probable it is."""
    from kshot_viz.cli.fit import run_predict

    run_predict(folder, images, as_json=as_json, skip_bad=skip_bad, max_pixels=max_pixels)
