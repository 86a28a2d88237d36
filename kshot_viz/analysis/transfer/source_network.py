"""A source: a network that learns to classify a labelled data set from random weights.

It is a run of :func:`kshot_viz.finetune` on all images, in mini-batches and in training mode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from kshot_viz.analysis.transfer.starts import random_start
from kshot_viz.checks import checked, instance, number, optional, text, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.images import slice_images
from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.files import whole_file
from kshot_viz.finetune.loop import finetune
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.hooks import Step
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.models.loading.weights import load_weights
from kshot_viz.models.modes import evaluating
from kshot_viz.records import record_digest
from kshot_viz.seeds import numpy_rng

# Part of the name of a kept file: raise it whenever the same call gives other weights.
_VERSION = 1
_BATCH = 128
# Adam, since networks without batch norm hardly learn with plain steps of one size.
TRAINING = FinetuneConfig(
    optimizer="adam", lr=3e-3, head_lr=3e-3, steps=300, batch_size=64, train_mode=True
)


@dataclass(frozen=True)
class SourceTraining(Method):
    """All parameters train, with step sizes that fall to zero along half a cosine."""

    name: ClassVar[str] = "source_training"
    label: ClassVar[str] = "source training"

    def schedule(self, network: Backbone, step: Step) -> None:
        """Set the step sizes of a step."""
        share = (1 + math.cos(math.pi * step.number / step.total)) / 2
        for name in step.lr:
            step.lr[name] *= share


@checked(
    data=instance(ImageDataset),
    architecture=optional(BACKBONE),
    config=optional(instance(FinetuneConfig)),
    held_out=number(0),
    seed=whole(0),
    name=text,
    cache=optional(instance(str, Path)),
)
def source_network(
    data: ImageDataset,
    *,
    architecture: Backbone | None = None,
    config: FinetuneConfig | None = None,
    held_out: float = 0.1,
    seed: int = 0,
    name: str = "",
    cache: str | Path | None = None,
) -> Backbone:
    """Train a network on a labelled data set, from random weights.

    Parameters
    ----------
    data : ImageDataset
        At least two classes; all images are prepared in memory.
    architecture : Backbone, optional
        What is trained; its weights are not used. The architecture of the bundled network by
        default.
    config : FinetuneConfig, optional
        Training settings; by default 300 steps of Adam on batches of 64 images.
    held_out : float
        Share of the images that it is scored on, not trained on; 0 for none.
    seed : int
        Of the random weights, the images held out, and the order of the images.
    name : str
        Of the network; that of the data by default.
    cache : path, optional
        Folder that keeps the weights as safetensors, by everything that decides them; a file that
        cannot be read is made anew.

    Returns
    -------
    Backbone
        The architecture with the trained weights; the head that it was trained with is left out.
        Its ``notes`` hold the number of images, the settings, and ``accuracy`` on images held out.

    Raises
    ------
    KShotValueError
        For fewer than two classes or images that do not fit the network, and where training
        diverges.
    KShotFileError
        Where ``cache`` cannot be written.
    """
    if held_out >= 1:
        raise KShotValueError(f"`held_out` must be a share below 1; not {held_out!r}.")
    network = architecture if architecture is not None else load_backbone("glyphnet", weights=None)
    config = config or TRAINING
    fresh = random_start(network, seed=seed)
    order = numpy_rng(seed, "source", data.pixel_fingerprint).permutation(len(data))
    kept_out, trained_on = np.split(order, [round(held_out * len(data))])
    support = data.take(np.sort(trained_on))
    _check(support, fresh)
    tuned = _kept(fresh, support, config, seed, cache)
    notes: dict[str, Any] = {
        "weights": f"trained on {data.name}",
        "images": len(support),
        "config": config.to_dict(),
        "seed": seed,
        "accuracy": _accuracy(tuned, data.take(np.sort(kept_out)), support),
    }
    return _body(tuned, fresh, name or data.name, notes)


def _check(support: ImageDataset, network: Backbone) -> None:
    present = np.unique(support.targets)
    if len(present) < 2:
        raise KShotValueError(
            f"A source needs images of at least two classes; {support.name!r} has {len(present)}."
        )
    try:
        network.prepare(slice_images(support, 0, 1))
    except KShotValueError as error:
        raise KShotValueError(
            f"The network {network.name!r} cannot take the images of the source "
            f"{support.name!r}: {error}"
        ) from error


def _kept(
    fresh: Backbone, support: ImageDataset, config: FinetuneConfig, seed: int, cache: Any
) -> Backbone:
    """Return the trained network, from the cache where it is there."""
    if cache is None:
        return _trained(fresh, support, config, seed)
    path = _path(Path(cache), fresh, support, config, seed)
    tuned = fresh.with_new_head(len(np.unique(support.targets)))
    try:
        load_weights(tuned.module, path)
    except (KShotFileError, KShotValueError):
        from safetensors.torch import save_file

        tuned = _trained(fresh, support, config, seed)
        state = {name: one.contiguous() for name, one in tuned.module.state_dict().items()}
        with whole_file(path, called=f"`cache` {cache}") as part:
            save_file(state, part)
    return tuned


def _path(
    folder: Path, fresh: Backbone, support: ImageDataset, config: FinetuneConfig, seed: int
) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KShotFileError(f"`cache` {folder} is not a folder: {error.strerror}.") from error
    record: Mapping[str, Any] = {
        "version": _VERSION,
        "network": fresh.fingerprint,
        "structure": str(fresh.module),
        "preprocess": repr(fresh.preprocess),
        "data": support.fingerprint,
        "config": config.to_dict(),
        "seed": seed,
        "torch": torch.__version__,
    }
    return folder / f"source_{record_digest(record, 32)}.safetensors"


def _trained(fresh: Backbone, support: ImageDataset, config: FinetuneConfig, seed: int) -> Backbone:
    found = finetune(fresh, support, method=SourceTraining(), config=config, seed=seed)
    if found.diverged:
        raise KShotValueError(
            f"Training on {support.name!r} {found.status}; give a `config` with smaller step "
            f"sizes than {config.summary}."
        )
    return found.backbone


def _accuracy(tuned: Backbone, images: ImageDataset, support: ImageDataset) -> float | None:
    """Return the share of right predictions of images held out; None without any."""
    if not len(images):
        return None
    classes = np.asarray(support.classes)[np.unique(support.targets)]
    hits = []
    with torch.no_grad(), evaluating(tuned.module):
        for start in range(0, len(images), _BATCH):
            part = images.take(range(start, min(start + _BATCH, len(images))))
            found = tuned.module(tuned.prepare(part)).argmax(dim=1).cpu().numpy()
            hits += (classes[found] == part.labels).tolist()
    return round(float(np.mean(hits)), 4)


def _body(tuned: Backbone, fresh: Backbone, name: str, notes: Mapping[str, Any]) -> Backbone:
    """Return the architecture with the trained weights below its head."""
    head = tuned.head_name
    state = tuned.module.state_dict()
    found = fresh.to(next(fresh.module.parameters()).device)
    found.module.load_state_dict(
        {key: one for key, one in state.items() if not key.startswith(f"{head}.")}, strict=False
    )
    found.name, found.notes = name, dict(notes)
    return found
