"""Convert image batches of every accepted form to float tensors in [0, 1].

Accepted everywhere: a float NCHW tensor or array in [0, 1], a uint8 NHWC or NHW array, a uint8
NCHW tensor, a list of PIL images or of paths of image files, an :class:`ImageDataset` or its
``images``, and rows of features.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Set
from itertools import chain
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kshot_viz.data.arrays import TOLERANCE
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.image_files import files_of
from kshot_viz.data.pixels import image_digest, pixels, read_pixels
from kshot_viz.errors import KShotValueError

__all__ = [
    "filled_count",
    "image_count",
    "image_digests",
    "image_source",
    "pixels",
    "slice_images",
    "to_bytes",
    "to_unit",
    "unit_batches",
]

# Bytes of float32 up to which a batch is converted as a whole.
WHOLE_BYTES = 128 * 2**20
_FORMS = (
    "a float NCHW tensor in [0, 1], a uint8 NHWC or NHW array, a uint8 NCHW tensor, "
    "a list of PIL images or of paths of image files, an ImageDataset, or a 2-D float array of "
    "feature rows"
)


def to_unit(images: Any) -> Tensor | list[Tensor]:
    """Bring any image batch to float32 in [0, 1], channels first.

    Parameters
    ----------
    images : object
        One of the forms named in the module's first lines, N >= 1.

    Returns
    -------
    torch.Tensor or list of torch.Tensor
        ``(N, C, H, W)``; a list of N tensors ``(C, H, W)`` when the sizes differ; for feature rows
        ``(N, F)`` with the values unchanged.

    Raises
    ------
    KShotValueError
        Says what the batch is, what is allowed, and how to get there: empty batches, wrong
        dimensions or types, values outside [0, 1], NaN or infinity.
    """
    source = _source(images)
    if isinstance(source, (np.ndarray, Tensor)):
        return _whole(source)
    return _alike([_one(item) for item in source])


def unit_batches(images: Any) -> Iterator[Tensor]:
    """Yield a batch as :func:`to_unit` makes it, without ever holding two large photographs.

    Parameters
    ----------
    images : object
        As for :func:`to_unit`.

    Yields
    ------
    torch.Tensor
        ``(N, C, H, W)`` or ``(N, F)`` at once; or image by image, ``(1, C, H, W)``, where sizes
        differ or the batch would take more than ``WHOLE_BYTES``.
    """
    source = _source(images)
    if isinstance(source, (np.ndarray, Tensor)):
        large = source.ndim > 2 and 4 * int(np.prod(source.shape)) > WHOLE_BYTES
        starts = range(len(source)) if large else []
        yield from (_whole(source[i : i + 1]) for i in starts)
        if not large:
            yield _whole(source)
        return
    units, held, items = [], 0, iter(source)
    for item in items:
        units.append(_one(item))
        held += 4 * units[-1].numel()
        if held > WHOLE_BYTES:
            # Stacked, as they would be together: the order in memory is part of what is seen.
            yield from (torch.stack([unit]) for unit in chain(units, map(_one, items)))
            return
    whole = _alike(units)
    yield from [whole] if isinstance(whole, Tensor) else (unit[None] for unit in whole)


def _source(images: Any) -> Any:
    source = image_source(images)
    filled_count(source)
    return source


def _whole(batch: np.ndarray | Tensor) -> Tensor:
    return _from_array(batch) if isinstance(batch, np.ndarray) else _from_tensor(batch)


def image_source(images: Any) -> Any:
    """Return what holds the images of a batch: a data set's own, the files of a list of paths."""
    return images.images if isinstance(images, ImageDataset) else files_of(images)


def image_count(images: Any) -> int:
    """Count the images of a batch of any accepted form, without decoding any.

    Raises
    ------
    KShotValueError
        If it is no batch: a single PIL image, a 0-d array, something without a length.
    """
    no_batch = (Image.Image, str, bytes, Mapping, Set, type)
    single = isinstance(images, no_batch) or not hasattr(images, "__len__")
    if isinstance(images, Tensor) and images.is_meta:
        raise KShotValueError("`images` is a tensor on the meta device, which holds no values.")
    if single or getattr(images, "ndim", 1) == 0:
        alone = isinstance(images, (Image.Image, str, os.PathLike))
        hint = " Of one image make a list: [image]." if alone else ""
        raise KShotValueError(f"`images` must be {_FORMS}; not {type(images).__name__}.{hint}")
    return len(images)


def filled_count(images: Any) -> int:
    """Count the images of a batch of any accepted form; an empty one is a KShotValueError."""
    count = image_count(images)
    if count == 0:
        raise KShotValueError("`images` is an empty batch; at least one image is needed.")
    return count


def slice_images(images: Any, start: int, stop: int) -> Any:
    """Take images ``start`` to ``stop`` of a batch, in the same form; files stay undecoded."""
    return image_source(images)[start:stop]


def image_digests(images: Any) -> tuple[str, ...]:
    """Return the digest of each image, as a data set keeps it.

    Rows of features have none. Values of float images are rounded to eight bits.
    """
    if isinstance(images, ImageDataset):
        return images.digests
    source = image_source(images)
    parts = (slice_images(source, i, i + 1) for i in range(image_count(source)))
    found = (_eight_bit(part) for part in parts)
    return tuple(image_digest(image) for image in found if image is not None)


def _eight_bit(batch: Any) -> np.ndarray | None:
    """Return the only image of a batch as uint8 ``(H, W, C)``; rows of features are none."""
    item = batch if isinstance(batch, Tensor) else batch[0]
    if isinstance(item, (str, os.PathLike)):
        return read_pixels(item)
    if isinstance(item, Image.Image):
        return pixels(item)
    if isinstance(item, np.ndarray) and item.dtype == np.uint8:
        # Checked as any batch is, but not taken to floats and back.
        return _bytes_of(item[None])[0]
    unit = to_unit(batch)[0]
    return to_bytes(unit[None])[0] if unit.ndim == 3 else None


def to_bytes(images: Tensor) -> np.ndarray:
    """Turn ``(N, C, H, W)`` in [0, 1] into uint8 ``(N, H, W, C)``."""
    return images.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _from_array(array: np.ndarray) -> Tensor:
    if array.dtype == np.uint8:
        return _from_bytes(array)
    if array.dtype.kind != "f":
        raise _wrong_form(array)
    return _from_tensor(_floats(array))


def _floats(array: np.ndarray) -> Tensor:
    """Copy floats of any order in memory; torch knows neither negative strides nor byte orders."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(array.astype(np.float32))


def _bytes_of(array: np.ndarray) -> np.ndarray:
    stack = array[..., None] if array.ndim == 3 else array
    if stack.ndim != 4 or stack.shape[3] not in (1, 3):
        raise _wrong_form(array, "uint8 arrays are (N, H, W), (N, H, W, 1) or (N, H, W, 3).")
    return stack


def _from_bytes(array: np.ndarray) -> Tensor:
    stack = _bytes_of(array)
    if stack.shape[3] == 1:
        # One channel passes for channels last, which is what convolutions are fast with.
        unit = torch.from_numpy(stack.astype(np.float32)).div_(255.0)
        return unit.permute(0, 3, 1, 2).contiguous()
    channels_first = stack.transpose(0, 3, 1, 2).astype(np.float32, order="C")
    return torch.from_numpy(channels_first).div_(255.0)


def _from_tensor(tensor: Tensor) -> Tensor:
    if tensor.ndim == 2 and tensor.is_floating_point():
        return _finite(tensor.float())
    if tensor.ndim != 4 or 0 in tensor.shape:
        raise _wrong_form(tensor)
    if tensor.shape[1] not in (1, 3) and tensor.shape[3] in (1, 3):
        raise _wrong_form(tensor, "This looks like channels last: use x.permute(0, 3, 1, 2).")
    if tensor.dtype == torch.uint8:
        return tensor.float().div(255.0)
    if not tensor.is_floating_point():
        raise _wrong_form(tensor)
    return _in_range(_finite(tensor.float()))


def _alike(units: list[Tensor]) -> Tensor | list[Tensor]:
    """Repeat the channel of grey images among colour ones, and stack what is of one size."""
    if len({unit.shape[0] for unit in units}) > 1:
        widest = max(unit.shape[0] for unit in units)
        units = [u.expand(widest, -1, -1) if u.shape[0] == 1 else u for u in units]
    same_size = len({unit.shape for unit in units}) == 1
    return torch.stack(units) if same_size else units


def _one(item: Any) -> Tensor:
    if isinstance(item, (str, os.PathLike)):
        return _from_bytes(read_pixels(item)[None])[0]
    if isinstance(item, Image.Image):
        return _from_bytes(pixels(item)[None])[0]
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim in (2, 3):
        return _from_bytes(item[None])[0]
    if isinstance(item, Tensor) and item.ndim == 3:
        return _from_tensor(item[None])[0]
    if isinstance(item, np.ndarray) and item.ndim == 3 and item.dtype.kind == "f":
        return _from_tensor(_floats(item[None]))[0]
    shape = f" {tuple(item.shape)}" if hasattr(item, "shape") else ""
    raise KShotValueError(
        f"`images` is a sequence that holds {type(item).__name__}{shape}; its items must be PIL "
        "images, paths of image files, uint8 arrays (H, W, C) or float tensors (C, H, W). All "
        "files of a folder are kv.load_dataset(folder, labelled=False)."
    )


def _finite(tensor: Tensor) -> Tensor:
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        raise KShotValueError(f"`images` holds {bad} values that are NaN or infinite.")
    return tensor


def _in_range(tensor: Tensor) -> Tensor:
    low, high = float(tensor.min()), float(tensor.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        cure = "divide by 255" if low >= 0 else "give them before normalisation, or use (x + 1) / 2"
        raise KShotValueError(
            f"float `images` must lie in [0, 1]; these go from {low:g} to {high:g}: {cure} "
            "(the backbone's preprocess is applied by the library)."
        )
    return tensor.clamp(0.0, 1.0) if low < 0 or high > 1 else tensor


def _wrong_form(batch: np.ndarray | Tensor, hint: str = "") -> KShotValueError:
    given = f"{type(batch).__name__} {batch.dtype} of shape {tuple(batch.shape)}"
    return KShotValueError(f"`images` must be {_FORMS}; not {given}. {hint}".rstrip())
