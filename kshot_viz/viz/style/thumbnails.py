"""Images scaled to small squares of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.data.images import image_count, slice_images, to_unit
from kshot_viz.errors import KShotValueError

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
    unit = to_unit(slice_images(images, index, index + 1))[0].numpy()
    if unit.ndim != 3:
        raise KShotValueError("Rows of features are no images, so there is nothing to show.")
    channels, height, width = unit.shape
    longest = max(height, width)
    square = np.zeros((longest, longest, 4))
    top, left = (longest - height) // 2, (longest - width) // 2
    part = square[top : top + height, left : left + width]
    part[..., :3] = np.moveaxis(unit if channels == 3 else np.repeat(unit[:1], 3, axis=0), 0, -1)
    part[..., 3] = 1.0
    nearest = np.arange(side) * longest // side
    return square[np.ix_(nearest, nearest)]
