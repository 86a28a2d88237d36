"""Images scaled to small squares, for figures that show many of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.images import image_count, slice_images, unit_batches
from kshot_viz.errors import KShotValueError
from kshot_viz.models.inputs.prepared_files import KEPT

if TYPE_CHECKING:
    from torch import Tensor

GROUND = 0.5


def thumbnail(image: Any, side: int) -> NDArray[np.float64]:
    """Return an image scaled to fit a square, centred on grey.

    Parameters
    ----------
    image : array
        uint8, (H, W, 1) or (H, W, 3).
    side : int
        Pixels of the square.

    Returns
    -------
    array, shape (side, side, 3)
        In [0, 1]. Small images are enlarged pixel by pixel, so that nothing is made up.
    """
    from PIL import Image

    pixels = np.asarray(image)
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    filtering = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    small = np.asarray(Image.fromarray(pixels).resize(size, filtering)) / 255
    square = np.full((side, side, 3), GROUND)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square


def transparent_thumbnail(images: Any, index: int, side: int) -> NDArray[np.float64]:
    """Return one image of a batch scaled to fit a square on a transparent ground.

    The shape is (side, side, 4); pixels are nearest neighbours.

    Raises
    ------
    KShotValueError
        If there is no such image, or ``images`` are rows of features.
    """
    if image_count(images) <= index:
        raise KShotValueError(f"`images` has {image_count(images)} images; number {index} is none.")
    one = slice_images(images, index, index + 1)
    square = partial(_square, side)
    if isinstance(one, ImageFiles):
        found = next(KEPT.batches(one, ("thumbnail", side), square))
    else:
        found = square(next(unit_batches(one)))
    return np.moveaxis(found[0].double().numpy(), 0, -1)


def _square(side: int, unit: Tensor) -> Tensor:
    """Turn (1, C, H, W) into (1, 4, side, side): colour, and where there is any."""
    if unit.ndim != 4:
        raise KShotValueError("Rows of features are no images, so there is nothing to show.")
    longest = max(unit.shape[2:])
    nearest = np.arange(side) * longest // side
    rows, columns = (nearest - (longest - length) // 2 for length in unit.shape[2:])
    tall = (rows >= 0) & (rows < unit.shape[2])
    wide = (columns >= 0) & (columns < unit.shape[3])
    # Only the pixels that are shown: the square around a photograph would take half a gigabyte.
    shown = unit[:, :, rows[tall]][:, :, :, columns[wide]]
    square = unit.new_zeros((1, 4, side, side))
    top, left = int(tall.argmax()), int(wide.argmax())
    part = square[:, :, top : top + shown.shape[2], left : left + shown.shape[3]]
    part[:, :3], part[:, 3] = shown, 1.0
    return square
