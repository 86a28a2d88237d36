"""Captured layers on disk, found again by network, images and settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from kshot_viz.activations.container import LayerActivations

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

SCHEMA = "1"


class ActivationCache:
    """One safetensors file a layer. A file that cannot be read counts as absent.

    The key covers the prepared pixels, not the images' names: a changed preprocessing or a changed
    file is another key.
    """

    def __init__(
        self,
        folder: str | Path,
        backbone: Backbone,
        batches: Iterable[Tensor],
        settings: Mapping[str, Any],
    ) -> None:
        self._folder = Path(folder)
        request = json.dumps(dict(settings), sort_keys=True)
        self._key = f"{backbone.fingerprint}/{_digest(batches)}/{request}/{SCHEMA}"

    def read(self, names: Iterable[str]) -> dict[str, LayerActivations]:
        """Return the layers that are there."""
        found = {name: self._read(name) for name in names}
        return {name: layer for name, layer in found.items() if layer is not None}

    def write(self, layers: Mapping[str, LayerActivations]) -> None:
        """Keep layers; a reader never sees a half-written file."""
        from safetensors.numpy import save_file

        self._folder.mkdir(parents=True, exist_ok=True)
        for name, layer in layers.items():
            arrays = {"points": layer.points, "mean": layer.mean, "std": layer.std}
            whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
            about = {"form": layer.form, "n_features": str(layer.n_features), "layer": name}
            path = self._path(name)
            save_file(whole, path.with_suffix(".part"), metadata=about)
            path.with_suffix(".part").replace(path)

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(f"{self._key}/{name}".encode()).hexdigest()
        return self._folder / f"{digest[:32]}.safetensors"

    def _read(self, name: str) -> LayerActivations | None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path(name), framework="numpy") as file:
                about = file.metadata()
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        return LayerActivations(**arrays, n_features=int(about["n_features"]), form=about["form"])


def _digest(batches: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(str(tuple(batch.shape)).encode())
        digest.update(batch.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
