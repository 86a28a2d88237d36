"""Brightness and contrast of the images a network learned from, and images that are far from them.

A network that learned bright strokes on a dark ground sees dark strokes on paper as something else
altogether; nothing fails, and every accuracy is low.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.errors import warn
from kshot_viz.models.inputs.preprocess import Preprocess

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone

# Of more images than this the statistics hardly change.
_IMAGES = 16
# Inverted images are this many times nearer to the source than the images as they are, which lie
# at least so far from it: digits and letters on paper do, photographs do not.
_NEARER, FAR = 3.0, 0.3
_CONTRAST = 4.0
_REMEMBERED = 1000
IN_PYTHON = (
    "`preprocess=replace(backbone.preprocess, invert=True)` where the network is loaded "
    "(`from dataclasses import replace`)"
)
ON_COMMAND_LINE = "`--invert`"
_told: set[tuple[str, str, str]] = set()


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and standard deviation of all pixels, in [0, 1]."""

    mean: float
    std: float


def source_statistics(backbone: Backbone) -> PixelStatistics | None:
    """Return the statistics of the images a network learned from, where they are known.

    They stand in the record of bundled weights, and in a preprocess that takes off the mean and
    divides by the deviation of its source.
    """
    notes = backbone.notes
    if str(notes.get("weights", "")).startswith("none"):
        return None
    record = notes.get("record")
    kept = record.get("pixels") if isinstance(record, Mapping) else None
    if isinstance(kept, Mapping):
        return PixelStatistics(float(kept["mean"]), float(kept["std"]))
    how = backbone.preprocess
    if not isinstance(how, Preprocess) or set(how.std) & {how.scale, how.scale / 2, 1.0}:
        # Halves and ones bring pixels into a range; they are no statistics of any images.
        return None
    return PixelStatistics(
        float(np.mean(how.mean)) / how.scale, float(np.mean(how.std)) / how.scale
    )


def seen_statistics(how: Preprocess, images: ImageDataset) -> PixelStatistics:
    """Return the statistics of images as a network sees them, before mean and deviation."""
    spread = np.unique(np.linspace(0, len(images) - 1, _IMAGES).astype(int))
    prepared = how(images.take(spread)).numpy().astype(np.float64)
    mean, std = (np.reshape(values, (1, -1, 1, 1)) for values in (how.mean, how.std))
    pixels = (prepared * std + mean) / how.scale
    return PixelStatistics(float(pixels.mean()), float(pixels.std()))


def unlike_source(seen: PixelStatistics, source: PixelStatistics, *, swap: str = IN_PYTHON) -> str:
    """Say how images differ from those of the source, or return an empty text.

    ``swap`` says by what black and white are swapped.
    """
    away, inverted = abs(seen.mean - source.mean), abs(1 - seen.mean - source.mean)
    if away > FAR and inverted * _NEARER < away:
        return (
            f"look inverted: their mean brightness is {seen.mean:.2f}, that of the images it "
            f"learned from {source.mean:.2f}. Swap black and white by {swap}"
        )
    if seen.std * _CONTRAST < source.std or seen.std > source.std * _CONTRAST:
        return (
            f"differ in contrast: the standard deviation of their pixels is {seen.std:.3f}, that "
            f"of the images it learned from {source.std:.3f}. Stretch their values to [0, 1]; of "
            f"scans with more than 8 bits divide by the largest value that occurs"
        )
    return ""


def warn_if_unlike_source(backbone: Backbone, data: ImageDataset, images: ImageDataset) -> None:
    """Warn, once a process, where images of a data set are far from those a network learned from.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
        Names what is warned of.
    images : ImageDataset
        Some of its images.
    """
    source, how = source_statistics(backbone), backbone.preprocess
    key = backbone.name, repr(how), data.fingerprint
    if source is None or not isinstance(how, Preprocess) or key in _told:
        return
    if len(_told) >= _REMEMBERED:
        _told.clear()
    _told.add(key)
    seen = seen_statistics(how, images)
    texts = [unlike_source(seen, source, swap=swap) for swap in (IN_PYTHON, ON_COMMAND_LINE)]
    if all(texts):
        warn(*(f"For {backbone.name} the images of {data.name!r} {text}." for text in texts))
