"""One image of any mode or file format as an array of eight-bit pixels.

Everything the library shows to a network starts here, so that a rotated photograph, a palette
image or a 16-bit scan means the same wherever it comes from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.records import content_digest

_ALPHA_MODES = {"RGBA", "RGBa", "LA", "La", "PA"}
_GREY_MODES = {"1", "L", "LA", "La"}


def pixels(picture: Image.Image) -> np.ndarray:
    """Turn one PIL image of any mode into eight-bit pixels.

    The EXIF orientation is applied, transparency is laid on white, 16-bit grey is scaled to 8 bit
    (65535 becomes 255), palettes and CMYK become RGB.

    Parameters
    ----------
    picture : PIL.Image.Image
        Any mode; of a file with several frames the current one.

    Returns
    -------
    numpy.ndarray
        uint8, ``(H, W, 1)`` for grey modes and ``(H, W, 3)`` otherwise.

    Raises
    ------
    KShotValueError
        For 32-bit integer or float pixels outside the range that has one meaning.
    """
    upright = ImageOps.exif_transpose(picture)
    mode = upright.mode
    if mode.startswith("I") or mode == "F":
        return _deep_grey(np.asarray(upright))
    target = "L" if mode in _GREY_MODES else "RGB"
    if mode in _ALPHA_MODES or "transparency" in upright.info:
        upright = _on_white(upright)
    array = np.asarray(upright.convert(target))
    return np.ascontiguousarray(array.reshape(*array.shape[:2], -1))


def read_pixels(path: str | Path) -> np.ndarray:
    """Decode an image file completely into uint8 ``(H, W, 3)``; grey is repeated.

    Raises
    ------
    KShotFileError
        Names the file that is missing, cut off, or not an image.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return as_rgb(pixels(picture))
    # Decoders of broken files raise nearly anything: OSError, SyntaxError, struct.error, KeyError.
    except Exception as error:
        raise KShotFileError(f"cannot read the image {str(path)!r}: {error}") from error


def as_rgb(array: np.ndarray) -> np.ndarray:
    """Repeat the one channel of a grey ``(H, W, 1)`` array; RGB stays as it is."""
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def digest(array: np.ndarray) -> str:
    """Return the sha256 hex digest of an array's shape and bytes."""
    return content_digest([str(tuple(array.shape)), np.ascontiguousarray(array).tobytes()])


def image_digest(array: np.ndarray) -> str:
    """Return the digest of one image, the same for a grey image and for its RGB copy."""
    return digest(as_rgb(array))


def _on_white(picture: Image.Image) -> Image.Image:
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer)


def _deep_grey(array: np.ndarray) -> np.ndarray:
    low, high = float(array.min()), float(array.max())
    floating = array.dtype.kind == "f"
    ceiling = 1.0 if floating else 65535.0
    if not (low >= 0 and high <= ceiling):
        kind = "float pixels in [0, 1]" if floating else "integer pixels in [0, 65535]"
        raise KShotValueError(f"an image has values from {low:g} to {high:g}; allowed: {kind}.")
    scaled = array * (255.0 / ceiling)
    return np.rint(scaled).astype(np.uint8)[:, :, None]
