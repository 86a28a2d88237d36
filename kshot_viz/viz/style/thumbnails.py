"""Images of a data set, small and all of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    way = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    small = np.asarray(Image.fromarray(pixels).resize(size, way)) / 255
    square = np.full((side, side, 3), GROUND)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square
