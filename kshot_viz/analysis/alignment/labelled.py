"""A network with labelled images and a head for their classes, ready to give gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kshot_viz.analysis.alignment.finite import check_signals
from kshot_viz.analysis.alignment.maps import (
    Signals,
    cannot_measure,
    map_weight,
    measured_batch,
    some_positions,
)
from kshot_viz.analysis.alignment.moments import Moments
from kshot_viz.data.arrays import label_row, labels_of
from kshot_viz.data.images import filled_count, slice_images
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.fresh_weights import draw_anew
from kshot_viz.models.head_init import fill_head, head_features
from kshot_viz.models.inputs.support import support_parts
from kshot_viz.models.logistic import fit_logistic
from kshot_viz.seeds import child_seed

_BATCH = 32


@dataclass(frozen=True)
class Labelled:
    """A network, images, and the index of each image's class among the network's outputs."""

    backbone: Backbone
    images: Any
    targets: NDArray[np.int64]
    # Whether the head was fitted here, since the network had none for these classes.
    fitted: bool = False

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield prepared inputs and their targets."""
        for start in range(0, len(self.targets), _BATCH):
            part = slice_images(self.images, start, start + _BATCH)
            inputs = self.backbone.prepare(part)
            targets = torch.from_numpy(self.targets[start : start + _BATCH])
            yield inputs, targets.to(inputs.device)

    def with_fitted_head(self, classes: int) -> Labelled:
        """Return a copy with a logistic regression on the features as its head."""
        fresh = replace(self, backbone=self.backbone.with_new_head(classes), fitted=True)
        features = torch.cat([fresh.features(inputs) for inputs, _ in fresh.batches()])
        targets = torch.from_numpy(self.targets)
        fill_head(fresh.backbone, *fit_logistic(features, targets))
        return fresh

    def features(self, inputs: Tensor) -> Tensor:
        """Return what the new head reads of a prepared batch; all of it is finite."""
        found = head_features(self.backbone, inputs)
        check_signals(self.backbone.module, inputs, {self.backbone.head_name: (found,)})
        return found

    def untrained(self, seed: int) -> Labelled:
        """Return the same with fresh random weights, and a fitted head where this one has one."""
        fresh = replace(self, backbone=untrained(self.backbone, seed))
        return fresh.with_fitted_head(int(self.targets.max()) + 1) if self.fitted else fresh

    def signals(self, layers: Sequence[str]) -> Iterator[dict[str, Signals]]:
        """Yield inputs and gradients of linear maps, batch by batch; of at least one layer."""
        for found, left_out in self._measured(layers):
            if not found:
                why = "; ".join(f"{name!r}: {one}" for name, one in left_out.items())
                raise KShotValueError(
                    f"No layer is left to measure: {why or 'none of them is called'}."
                )
            yield found

    def moments(
        self, layers: Sequence[str], positions: int, seed: int, asked: Sequence[str] = ()
    ) -> tuple[dict[str, Moments], dict[str, str]]:
        """Gather the moments of linear maps, in the order in which they run.

        Also returned is why a layer that was called has none.

        Raises
        ------
        KShotValueError
            For weights, outputs or gradients that are NaN or infinite, and where one of the
            ``asked`` layers cannot be measured.
        """
        module: nn.Module = self.backbone.module
        found: dict[str, Moments] = {}
        left_out: dict[str, str] = {}
        for batch, why in self._measured(layers):
            left_out |= why
            if named := [one for one in why if one in asked]:
                raise cannot_measure(named[0], why[named[0]])
            for name, signals in batch.items():
                kept = some_positions(signals, positions, seed, name)
                if name not in found:
                    found[name] = Moments(map_weight(module.get_submodule(name)))
                found[name].add(*(one.double().cpu().numpy() for one in kept))
        return {name: one for name, one in found.items() if name not in left_out}, left_out

    def _measured(
        self, layers: Sequence[str]
    ) -> Iterator[tuple[dict[str, Signals], dict[str, str]]]:
        for inputs, targets in self.batches():
            found, left_out = measured_batch(self.backbone.module, layers, inputs, targets)
            check_signals(self.backbone.module, inputs, found)
            yield found, left_out


def labelled(network: Backbone | FinetuneResult, images: Any, labels: Any) -> Labelled:
    """Join a network with labelled images.

    Raises
    ------
    KShotValueError
        For labels that do not fit the images or the classes of a tuned network, or one class only.
    """
    count = filled_count(images)
    names = label_row(labels_of(images, labels))
    if len(names) != count:
        raise KShotValueError(f"`labels` must be one for each of the {count} images.")
    if isinstance(network, FinetuneResult):
        return Labelled(network.backbone, images, indices(names, network.classes))
    _, targets, classes = support_parts(images if labels is None else (images, names))
    if len(classes) < 2:
        raise KShotValueError("`labels` must be of at least two classes: gradients need a choice.")
    whole = Labelled(network, images, targets)
    return whole if _has_head(whole, len(classes)) else whole.with_fitted_head(len(classes))


def indices(names: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the index of each label among classes.

    Raises
    ------
    KShotValueError
        For a label that is none of them.
    """
    known = {one: i for i, one in enumerate(classes.tolist())}
    unknown = sorted({repr(one) for one in names.tolist() if one not in known})
    if unknown:
        raise KShotValueError(
            f"`labels` must be among the classes of the network, {', '.join(map(repr, known))}; "
            f"not {', '.join(unknown[:8])}."
        )
    return np.array([known[one] for one in names.tolist()], dtype=np.int64)


def untrained(backbone: Backbone, seed: int) -> Backbone:
    """Return a copy with random weights: see :func:`kshot_viz.models.fresh_weights.draw_anew`."""
    fresh = backbone.to(next(backbone.module.parameters()).device)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(child_seed(seed, "untrained"))
        for module in fresh.module.modules():
            draw_anew(module)
    return fresh


def _has_head(whole: Labelled, classes: int) -> bool:
    """Return whether the network has a head with one output for each class."""
    name = whole.backbone.head_name
    if name == "output" or isinstance(whole.backbone.module.get_submodule(name), nn.Identity):
        return False
    inputs, _ = next(whole.batches())
    with torch.no_grad():
        return tuple(whole.backbone.module(inputs[:1].clone()).shape) == (1, classes)
