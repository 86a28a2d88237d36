"""The commands ``fit`` and ``predict``: a classifier of a folder of images, kept and used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from kshot_viz.cli.options import resolve_device
from kshot_viz.cli.requests import ImagesRequest
from kshot_viz.data.folder import image_files, is_folder, load_folder, load_unlabelled, shown_path
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.pixels import MAX_PIXELS, read_pixels
from kshot_viz.errors import KShotFileError
from kshot_viz.files import made_folder, refuse_foreign
from kshot_viz.finetune.loop import finetune
from kshot_viz.methods.registry import resolve_method
from kshot_viz.study.classifier import RECOMMENDED
from kshot_viz.study.recommendation.recommend import recommend
from kshot_viz.study.recommendation.safe import safe_candidate
from kshot_viz.study.saved.folder import ABOUT
from kshot_viz.study.saved.network_record import network_record, savable
from kshot_viz.study.saved.onnx_file import export_onnx, onnx_package
from kshot_viz.study.saved.save_load import load_classifier, save_classifier

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.recommendation.recommendation import Recommendation
    from kshot_viz.study.saved.saved_classifier import SavedClassifier

ONNX = "classifier.onnx"
# Files that are decoded and classified at a time.
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class FitRequest(ImagesRequest):
    """The arguments of the command ``fit``."""

    folder: str
    method: str
    source: str | None
    onnx: bool
    device: str
    seed: int


def run_fit(request: FitRequest, out: Path, *, workers: int | None, command: str) -> None:
    """Recommend, train, and leave the classifier in ``out``."""
    device = resolve_device(request.device)
    if request.method != RECOMMENDED:
        resolve_method(request.method, "--method", RECOMMENDED)
    if request.onnx:
        onnx_package()
    refuse_foreign(out, (ABOUT,), "classifier")
    # The images first: a network may have to be downloaded.
    data = load_folder(request.folder, **request.reading)
    typer.echo(f"{data}")
    backbone = request.network()
    typer.echo(f"{backbone}")
    if request.method != RECOMMENDED:
        _check_savable(backbone, data, request.method)
    made_folder(out)
    found = _recommended(request, backbone, data, workers, device)
    result = found.finetune(backbone, data, device=device)
    # One of an earlier classifier.
    (out / ONNX).unlink(missing_ok=True)
    save_classifier(result, out, support=data, recommendation=found, command=command)
    typer.echo(f"\n{found}")
    typer.echo(f"\nWritten: {out}. To use it: kshot-viz predict {out} IMAGE...")
    if request.onnx:
        typer.echo(f"ONNX: {export_onnx(load_classifier(out), out / ONNX)}.")


def _recommended(
    request: FitRequest,
    backbone: Backbone,
    data: ImageDataset,
    workers: int | None,
    device: str | None,
) -> Recommendation:
    source = None if request.source is None else load_unlabelled(request.source, **request.reading)
    return recommend(
        backbone,
        data,
        candidates=None if request.method == RECOMMENDED else [request.method],
        source=source,
        executor="processes" if device is None else "serial",
        workers=workers,
        device=device,
        seed=request.seed,
        progress=True,
    )


def _check_savable(backbone: Backbone, data: ImageDataset, method: str) -> None:
    """Raise, before folds are run, where a network tuned by a method could not be saved."""
    one_each = data.take([int(np.flatnonzero(data.targets == k)[0]) for k in range(data.n_classes)])
    start = safe_candidate(backbone, one_each, method, groups_from="support").at(steps=0)
    begun = finetune(
        backbone, one_each, method=start.method, grouping=start.grouping, config=start.config
    )
    network_record(savable(begun), data.n_classes, begun.method)


def run_predict(
    folder: Path, images: Sequence[Path], *, form: str, skip_bad: bool, max_pixels: int | None
) -> None:
    """Print the class and its probability for every image."""
    classifier = load_classifier(folder)
    files = _files(images)
    found = list(_predicted(classifier, files, skip_bad, max_pixels or MAX_PIXELS))
    if not found:
        raise KShotFileError("None of the images could be read.")
    typer.echo(FORMS[form](found))


def _files(images: Sequence[Path]) -> list[Path]:
    """Return the image files that were named, and those below the folders that were."""
    found: list[Path] = []
    for one in images:
        inside = list(image_files(one)) if is_folder(one) else [one]
        if not inside:
            raise KShotFileError(f"There is no image file in the folder {one}.")
        found += inside
    return found


def _predicted(
    classifier: SavedClassifier, files: Sequence[Path], skip_bad: bool, max_pixels: int
) -> Iterator[dict[str, Any]]:
    classes = classifier.classes.tolist()
    for batch in _batches(files, skip_bad, max_pixels):
        try:
            shares = classifier.predict_proba(ImageFiles(tuple(map(str, batch)), max_pixels))
        except KShotFileError as error:
            raise KShotFileError(f"{error}. --skip-bad goes on without it.") from error
        for path, row in zip(batch, shares.tolist(), strict=True):
            best = max(range(len(classes)), key=row.__getitem__)
            yield {
                "file": shown_path(path),
                "class": classes[best],
                "probability": row[best],
                "probabilities": dict(zip(map(str, classes), row, strict=True)),
            }


def _batches(files: Sequence[Path], skip_bad: bool, max_pixels: int) -> Iterator[list[Path]]:
    """Yield files some at a time, where wanted without those that cannot be read."""
    for start in range(0, len(files), _BATCH):
        batch = list(files[start : start + _BATCH])
        if skip_bad:
            batch = [one for one in batch if _readable(one, max_pixels)]
        if batch:
            yield batch


def _readable(path: Path, max_pixels: int) -> bool:
    try:
        read_pixels(path, max_pixels=max_pixels)
    except KShotFileError as error:
        typer.echo(f"Skipped: {error}.", err=True)
        return False
    return True


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Return lines of file, class and probability, in columns."""
    cells = [("file", "class", "probability")]
    cells += [(one["file"], str(one["class"]), f"{one['probability']:.3f}") for one in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(2)]
    return "\n".join(
        f"{file:<{widths[0]}}  {name:<{widths[1]}}  {share}" for file, name, share in cells
    )


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=1, ensure_ascii=False)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return a line of names, then one of file, class, probability, and that of every class."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(["file", "class", "probability", *rows[0]["probabilities"]])
    for one in rows:
        shares = one["probabilities"].values()
        table.writerow([one["file"], one["class"], one["probability"], *shares])
    return lines.getvalue().rstrip("\n")


FORMS = {"table": _table, "json": _json, "csv": _csv}
