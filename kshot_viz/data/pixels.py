"""One image of any mode or file format as an array of eight-bit pixels.

Everything the library shows to a network starts here, so that a rotated photograph, a palette
image or a 16-bit scan means the same wherever it comes from.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.records import content_digest

# Pillow's own limit. Beyond it a file of a few kB may take gigabytes once it is decoded.
MAX_PIXELS = 89_478_485

_ALPHA_MODES = {"RGBA", "RGBa", "LA", "La", "PA"}
_GREY_MODES = {"1", "L", "LA", "La"}
# A pipe opened without O_NONBLOCK waits for a writer; Windows has no such flag, but O_BINARY.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


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
    upright = _upright(picture)
    mode = upright.mode
    if mode.startswith("I") or mode == "F":
        return _deep_grey(np.asarray(upright))
    target = "L" if mode in _GREY_MODES else "RGB"
    if mode in _ALPHA_MODES or "transparency" in upright.info:
        upright = _on_white(upright)
    array = np.asarray(upright if upright.mode == target else upright.convert(target))
    return np.ascontiguousarray(array.reshape(*array.shape[:2], -1))


def read_pixels(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file completely into uint8 ``(H, W, 3)``; grey is repeated.

    Of a file with several frames this is the first.

    Parameters
    ----------
    path : str or path-like
    max_pixels : int
        An image of more pixels is an error.

    Raises
    ------
    KShotFileError
        Names the file that is missing, cut off, too large, no image, or no regular file.
    """
    with open_regular(path) as file:
        return decode(file, path, max_pixels)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading; a pipe, which may never deliver, is never waited for.

    Raises
    ------
    KShotFileError
        For a file that cannot be opened, and for pipes, sockets, devices and folders.
    """
    try:
        handle = os.open(path, _READING)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise KShotFileError(f"cannot read the image {str(path)!r}: {why}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise KShotFileError(
            f"cannot read the image {str(path)!r}: it is a folder, pipe, socket or device, no file"
        )
    return os.fdopen(handle, "rb")


def decode(
    file: BinaryIO, path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode an open image file into uint8 ``(H, W, 3)``.

    Parameters
    ----------
    file : binary file
    path : str or path-like
        Its name in errors.
    max_pixels : int
        An image of more pixels is an error, raised before anything is decoded.

    Raises
    ------
    KShotFileError
        If the file is cut off, too large or no image.
    """
    with _opened(file, path, max_pixels) as picture:
        picture.load()
        return as_rgb(pixels(picture))


def pixel_count(file: BinaryIO, path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> int:
    """Return how many pixels an open image file has, by its header; the rest as for decoding."""
    with _opened(file, path, max_pixels) as picture:
        return picture.width * picture.height


@contextmanager
def _opened(file: BinaryIO, path: str | os.PathLike[str], max_pixels: int) -> Iterator[Image.Image]:
    """Yield the picture in a file, undecoded; what fails in the block is a KShotFileError."""
    _raise_pillows_limit(max_pixels)
    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > max_pixels:
                raise _too_large(path, f"{picture.width:,} x {picture.height:,}", max_pixels)
            yield picture
    except _BOMBS as error:
        raise _too_large(path, "too many", max_pixels) from error
    except KShotFileError:
        raise
    except UnidentifiedImageError as error:
        raise KShotFileError(f"cannot read the image {str(path)!r}: it is no image") from error
    # Decoders of broken files raise nearly anything: OSError, SyntaxError, struct.error, KeyError.
    except Exception as error:
        raise KShotFileError(f"cannot read the image {str(path)!r}: {error}") from error


def as_rgb(array: np.ndarray) -> np.ndarray:
    """Repeat the one channel of a grey ``(H, W, 1)`` array; RGB stays as it is."""
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def digest(array: np.ndarray) -> str:
    """Return the sha256 hex digest of an array's shape and bytes."""
    # The memory itself: a copy of a photograph's bytes would be as large as the photograph.
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return content_digest([str(tuple(array.shape)), content])


def image_digest(array: np.ndarray) -> str:
    """Return the digest of one image, the same for a grey image and for its RGB copy."""
    return digest(as_rgb(array))


def grey_digest(array: np.ndarray) -> str:
    """Return the digest of an image as one channel, ``(H, W, 1)``; empty where it has colour."""
    if array.shape[2] > 1 and not (array[..., :1] == array[..., 1:]).all():
        return ""
    return digest(array[..., :1])


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    turned = picture.getexif().get(ExifTags.Base.Orientation, 1) != 1
    return ImageOps.exif_transpose(picture) if turned else picture


def _raise_pillows_limit(max_pixels: int) -> None:
    """Raise Pillow's limit, which is one for the whole process, where more is allowed here."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and limit < max_pixels:
        Image.MAX_IMAGE_PIXELS = max_pixels


def _too_large(path: str | os.PathLike[str], size: str, max_pixels: int) -> KShotFileError:
    return KShotFileError(
        f"the image {str(path)!r} has {size} pixels; at most {max_pixels:,} are decoded, since a "
        "small file may take gigabytes of memory. Make it smaller, or allow more with "
        "`load_dataset(..., max_pixels=...)` (--max-pixels)"
    )


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
