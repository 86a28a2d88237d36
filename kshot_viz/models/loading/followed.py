"""Whether a Preprocess does to a picture what the library of the network does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kshot_viz.errors import KShotValueError
from kshot_viz.models.inputs.preprocess import Preprocess

# Steps of a pixel, 255 from black to white. Rounding to whole values, which the libraries do and a
# Preprocess does not, explains one and a half.
BOUND = 3.0
_LARGEST_SIDE = 512
CURE = "give `preprocess=`, a Preprocess or a function"


def followed(
    preprocess: Preprocess, theirs: Callable[[Image.Image], Any], library: str
) -> Preprocess:
    """Return a Preprocess that was read from a library's configuration, after a comparison.

    Parameters
    ----------
    preprocess : Preprocess
    theirs : function
        What the library does to a picture; returns a tensor (C, H, W).
    library : str

    Raises
    ------
    KShotValueError
        Where the results differ by more than ``BOUND``; says in what.
    """
    picture = _picture(preprocess)
    try:
        expected = torch.as_tensor(theirs(picture)).float()
    except Exception as error:  # Whatever the library raises for its own configuration.
        raise KShotValueError(
            f"What {library} does to images before this network cannot be compared with a "
            f"Preprocess ({type(error).__name__}: {error}): {CURE}."
        ) from error
    difference = _difference(preprocess([picture])[0], expected, preprocess)
    if difference:
        raise KShotValueError(
            f"{library} prepares images for this network in another way than the {preprocess} "
            f"that was read from its configuration: {difference}. To use the network all the same "
            f"{CURE}."
        )
    return preprocess


def _picture(preprocess: Preprocess) -> Image.Image:
    """Return a picture with edges and grain, wider than high and larger than the network sees."""
    side = min(preprocess.short_side or preprocess.size or 64, _LARGEST_SIDE)
    height, width = side + side // 4 + 1, side + side // 2 + 2
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:height, :width]
    waves = [
        np.sin(2 * np.pi * (a * x / width + b * y / height)) for a, b in rng.uniform(1, 9, (3, 2))
    ]
    pixels = 128 + 60 * np.stack(waves, axis=-1) + rng.normal(0, 20, (height, width, 3))
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (250, 20, 60)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return picture if preprocess.channels != "L" else picture.convert("L")


def _difference(ours: Tensor, theirs: Tensor, preprocess: Preprocess) -> str:
    """Say in what two results differ; nothing where rounding explains it."""
    if ours.shape != theirs.shape:
        return f"it makes {tuple(theirs.shape)} of a picture, the Preprocess {tuple(ours.shape)}"
    step = torch.tensor(preprocess.std).view(-1, 1, 1) * 255 / preprocess.scale
    largest = float(((ours - theirs) * step).abs().max())
    if largest <= BOUND:
        return ""
    far = f"values differ by up to {largest:.1f} of 255"
    if float(((ours.flip(0) - theirs) * step).abs().max()) <= BOUND:
        return f"{far}: its channels are in the other order"
    if _alike(ours, theirs):
        return f"{far}: its range, mean or deviation is another one"
    return f"{far}: its crop or its interpolation is another one"


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    """Return whether each channel is the other's times one number plus another."""
    pairs = zip(ours.flatten(1).double(), theirs.flatten(1).double(), strict=True)
    return all(float(torch.corrcoef(torch.stack(pair))[0, 1]) > 0.9999 for pair in pairs)
