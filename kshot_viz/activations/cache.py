"""Cache of captured layers on disk, by network, images and settings."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from kshot_viz.activations.activations import LayerActivations
from kshot_viz.errors import KShotFileError
from kshot_viz.files import whole_file
from kshot_viz.models.modes import tensor_content
from kshot_viz.records import content_digest

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

_log = logging.getLogger(__name__)
SCHEMA = "1"


class ActivationCache:
    """One safetensors file a layer. A file that cannot be read counts as absent.

    The key covers the prepared pixels, not the images' names: a changed preprocessing or a changed
    file is another key. How the images are cut into batches is not part of it.
    """

    def __init__(
        self,
        folder: str | Path,
        backbone: Backbone,
        batches: Iterable[Tensor],
        settings: Mapping[str, Any],
    ) -> None:
        self._folder = _made(Path(folder))
        # The text of the modules distinguishes networks that differ in what has no weights.
        network = f"{backbone.fingerprint}/{backbone.module}"
        request = json.dumps(dict(settings), sort_keys=True)
        self._key = f"{network}/{_digest(batches)}/{request}/{SCHEMA}"

    def read(self, names: Iterable[str]) -> dict[str, LayerActivations]:
        """Return the layers that are there."""
        asked = {name: self._read(name) for name in names}
        found = {name: layer for name, layer in asked.items() if layer is not None}
        _log.info("%d of %d layers are taken from %s", len(found), len(asked), self._folder)
        return found

    def write(self, layers: Mapping[str, LayerActivations]) -> None:
        """Keep layers; a reader never sees a half-written file."""
        from safetensors import SafetensorError

        for name, layer in layers.items():
            try:
                self._write(name, layer)
            except SafetensorError as error:
                raise KShotFileError(
                    f"`cache` {self._folder} cannot be written: {error}"
                ) from error

    def _write(self, name: str, layer: LayerActivations) -> None:
        from safetensors.numpy import save_file

        arrays = {"points": layer.points, "mean": layer.mean, "std": layer.std}
        whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        about = {"form": layer.form, "n_features": str(layer.n_features), "layer": name}
        with whole_file(self._path(name), called=f"`cache` {self._folder}") as part:
            save_file(whole, part, metadata=about)

    def _path(self, name: str) -> Path:
        digest = content_digest([f"{self._key}/{name}"])[:32]
        return self._folder / f"{digest}.safetensors"

    def _read(self, name: str) -> LayerActivations | None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path(name), framework="numpy") as file:
                about = file.metadata()
                arrays = {key: file.get_tensor(key) for key in ("points", "mean", "std")}
            if about["layer"] != name:
                return None
            return LayerActivations(
                **arrays, n_features=int(about["n_features"]), form=about["form"]
            )
        except (OSError, SafetensorError, TypeError, KeyError, ValueError):
            return None


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KShotFileError(f"`cache` {folder} is not a folder: {error.strerror}.") from error
    return folder


def _digest(batches: Iterable[Tensor]) -> str:
    images = (image for batch in batches for image in batch.cpu())
    return content_digest(part for image in images for part in tensor_content(image))
