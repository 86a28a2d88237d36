"""Convert image batches of every accepted form to float tensors in [0, 1].

Accepted everywhere: a float NCHW tensor or array in [0, 1], a uint8 NHWC or NHW array, a uint8
NCHW tensor, a list of PIL images, an :class:`ImageDataset` or its ``images``, and rows of features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.pixels import image_digest, pixels
from kshot_viz.errors import KShotValueError

__all__ = ["image_count", "image_digests", "pixels", "slice_images", "to_bytes", "to_unit"]

_TOLERANCE = 1e-3
_FORMS = (
    "a float NCHW tensor in [0, 1], a uint8 NHWC or NHW array, a uint8 NCHW tensor, "
    "a list of PIL images, an ImageDataset, or a 2-D float array of feature rows"
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
    if isinstance(images, ImageDataset):
        images = images.images
    if image_count(images) == 0:
        raise KShotValueError("`images` is an empty batch; at least one image is needed.")
    if isinstance(images, np.ndarray):
        return _from_array(images)
    if isinstance(images, Tensor):
        return _from_tensor(images)
    return _from_sequence(images)


def image_count(images: Any) -> int:
    """Count the images of a batch of any accepted form, without decoding any.

    Raises
    ------
    KShotValueError
        If it is no batch: a single PIL image, a 0-d array, something without a length.
    """
    single = isinstance(images, (Image.Image, str)) or not hasattr(images, "__len__")
    if single or getattr(images, "ndim", 1) == 0:
        raise KShotValueError(f"`images` must be {_FORMS}; not {type(images).__name__}.")
    return len(images)


def slice_images(images: Any, start: int, stop: int) -> Any:
    """Take images ``start`` to ``stop`` of a batch, in the same form; files stay undecoded."""
    source = images.images if isinstance(images, ImageDataset) else images
    return source[start:stop]


def image_digests(images: Any) -> tuple[str, ...]:
    """Return the digest of each image, as a data set keeps it.

    Rows of features have none. Values of float images are rounded to eight bits.
    """
    if isinstance(images, ImageDataset):
        return images.digests
    units = (to_unit(slice_images(images, i, i + 1))[0] for i in range(image_count(images)))
    return tuple(image_digest(to_bytes(unit[None])[0]) for unit in units if unit.ndim == 3)


def to_bytes(images: Tensor) -> np.ndarray:
    """Turn ``(N, C, H, W)`` in [0, 1] into uint8 ``(N, H, W, C)``."""
    return images.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _from_array(array: np.ndarray) -> Tensor:
    if array.dtype == np.uint8:
        return _from_bytes(array)
    if array.dtype.kind != "f":
        raise _wrong_form(array)
    return _from_tensor(torch.tensor(array))


def _from_bytes(array: np.ndarray) -> Tensor:
    stack = array[..., None] if array.ndim == 3 else array
    if stack.ndim != 4 or stack.shape[3] not in (1, 3):
        raise _wrong_form(array, "uint8 arrays are (N, H, W), (N, H, W, 1) or (N, H, W, 3).")
    unit = torch.from_numpy(stack.astype(np.float32)).div_(255.0)
    return unit.permute(0, 3, 1, 2).contiguous()


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


def _from_sequence(items: Sequence[Any]) -> Tensor | list[Tensor]:
    units = [_one(item) for item in items]
    if len({unit.shape[0] for unit in units}) > 1:
        widest = max(unit.shape[0] for unit in units)
        units = [u.expand(widest, -1, -1) if u.shape[0] == 1 else u for u in units]
    same_size = len({unit.shape for unit in units}) == 1
    return torch.stack(units) if same_size else units


def _one(item: Any) -> Tensor:
    if isinstance(item, Image.Image):
        return _from_bytes(pixels(item)[None])[0]
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim in (2, 3):
        return _from_bytes(item[None])[0]
    if isinstance(item, (np.ndarray, Tensor)) and item.ndim == 3:
        unit = torch.as_tensor(item)
        return _from_tensor(unit[None])[0]
    shape = tuple(item.shape) if hasattr(item, "shape") else ""
    raise KShotValueError(
        f"`images` is a sequence that holds {type(item).__name__} {shape}; its items must be PIL "
        "images, uint8 arrays (H, W, C) or float tensors (C, H, W)."
    )


def _finite(tensor: Tensor) -> Tensor:
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        raise KShotValueError(f"`images` holds {bad} values that are NaN or infinite.")
    return tensor


def _in_range(tensor: Tensor) -> Tensor:
    low, high = float(tensor.min()), float(tensor.max())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        cure = "divide by 255" if low >= 0 else "give them before normalisation, or use (x + 1) / 2"
        raise KShotValueError(
            f"float `images` must lie in [0, 1]; these go from {low:g} to {high:g}: {cure} "
            "(the backbone's preprocess is applied by the library)."
        )
    return tensor.clamp(0.0, 1.0) if low < 0 or high > 1 else tensor


def _wrong_form(batch: np.ndarray | Tensor, hint: str = "") -> KShotValueError:
    given = f"{type(batch).__name__} {batch.dtype} of shape {tuple(batch.shape)}"
    return KShotValueError(f"`images` must be {_FORMS}; not {given}. {hint}".rstrip())
