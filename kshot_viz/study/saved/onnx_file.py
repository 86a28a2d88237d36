"""A tuned classifier as one ONNX file, which runs without Python or torch."""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotError
from kshot_viz.files import whole_file
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.inputs.preprocess import CHANNELS, Preprocess
from kshot_viz.models.inputs.resize import column
from kshot_viz.models.modes import private_copy
from kshot_viz.study.saved.saved_classifier import SavedClassifier
from kshot_viz.threads import one_thread

INPUT, OUTPUT = "images", "probabilities"
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
# Images that the network is traced with; the file takes any number.
_EXAMPLE = 2


class WholeClassifier(nn.Module):
    """From pixels in [0, 1] to probabilities: all of a preprocess but resizing, then the network.

    Parameters
    ----------
    network : Backbone
        The tuned network.
    """

    def __init__(self, network: Backbone) -> None:
        super().__init__()
        self.module = private_copy(network.module).cpu()
        look = network.preprocess
        self.look = look if isinstance(look, Preprocess) else None

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to probabilities (N, classes)."""
        return self.module(self._normalised(images)).softmax(dim=1)

    def _normalised(self, images: Tensor) -> Tensor:
        if self.look is None:
            return images
        look = self.look
        pixels = images.flip(1) if look.channels == "BGR" else images
        scaled = (1.0 - pixels if look.invert else pixels) * look.scale
        return (scaled - column(look.mean, scaled)) / column(look.std, scaled)


def export_onnx(classifier: SavedClassifier, path: str | Path) -> Path:
    """Write a classifier as ONNX; needs the extra of that name.

    The file has one input, ``images``, and one output, ``probabilities`` (N, classes). Its metadata
    hold the classes as JSON and, under ``input``, what the images must be: colours, range and
    normalisation are part of the file where the network has a :class:`Preprocess`, resizing is not.

    Parameters
    ----------
    classifier : SavedClassifier
        Of :func:`kshot_viz.study.saved.save_load.load_classifier`.
    path : path

    Raises
    ------
    KShotError
        Without the packages, or where torch cannot export the network.
    KShotFileError
        If the file cannot be written.
    """
    onnx = onnx_package()
    network = WholeClassifier(classifier.backbone).eval().float()
    shape = _shape(classifier.backbone)
    with whole_file(Path(path)) as part:
        _export(network, torch.zeros(_EXAMPLE, *shape), part)
        model = onnx.load(str(part))
        about = {
            "classes": json.dumps(classifier.classes.tolist()),
            "input": input_text(classifier.backbone),
            "method": classifier.result.method,
        }
        onnx.helper.set_model_props(model, about)
        onnx.save(model, str(part))
    return Path(path)


def input_text(backbone: Backbone) -> str:
    """Say what the images given to the file must be."""
    look, shape = backbone.preprocess, ("N", *_shape(backbone))
    given = f"float32 of shape ({', '.join(map(str, shape))})"
    if backbone.preprocess is None:
        return f"{given}, as the network takes it"
    if not isinstance(look, Preprocess):
        return f"{given}, as the preprocess function of the network returns it"
    colours = "grey" if look.channels == "L" else "RGB"
    return f"{given}, {colours}, from 0 (black) to 1 (white), {_resizing(look)}"


def _resizing(look: Preprocess) -> str:
    if look.size is None:
        return "of the size that the network takes"
    how = f"{look.interpolation}, {'with' if look.antialias else 'without'} antialiasing"
    if look.resize == "stretch":
        return f"resized to {look.size} x {look.size} pixels ({how})"
    short = look.short_side or look.size
    return (
        f"resized so that the shorter side has {short} pixels ({how}), then the "
        f"{look.size} x {look.size} pixels of the centre"
    )


def _shape(backbone: Backbone) -> tuple[int, ...]:
    look = backbone.preprocess
    if not isinstance(look, Preprocess):
        return backbone.input_shape
    side = look.size or backbone.input_shape[-1]
    return CHANNELS[look.channels], side, side


@one_thread()
def _export(network: nn.Module, example: Tensor, path: Path) -> None:
    images = {0: torch.export.Dim("n", min=1)}
    options: dict[str, Any] = {"dynamo": True, "external_data": False, "verbose": False}
    try:
        with warnings.catch_warnings():
            # What the exporter deprecates is not the user's to change.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (example,),
                str(path),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(images,),
                **options,
            )
    except torch.onnx.OnnxExporterError as error:
        first = str(error).strip().splitlines()[0]
        raise KShotError(f"torch cannot export this network to ONNX: {first}") from error


def onnx_package() -> Any:
    """Return the package onnx, or raise a KShotError that names the extra."""
    try:
        # torch exports by means of it.
        import_module("onnxscript")
        return import_module("onnx")
    except ImportError as error:
        raise KShotError(
            f"ONNX files need the extra of that name: pip install 'kshot-viz[onnx]' ({error.name} "
            f"is missing)."
        ) from error
