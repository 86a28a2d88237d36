"""Items of a data set of another library: a picture as eight-bit pixels, and a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from kshot_viz.data.arrays import TOLERANCE, eight_bit
from kshot_viz.data.image_files import item_numbers
from kshot_viz.data.pixels import digest, pixels
from kshot_viz.errors import KShotValueError

# A stream may have no end. Whoever wants more of one says how many.
MOST_OF_A_STREAM = 10_000
# Items that are read twice: a transform that turns every second image is missed once in 2 ** 16.
_READ_TWICE = 16
Item = tuple[np.ndarray, int | str]


@dataclass(frozen=True)
class LazyImages(Sequence[np.ndarray]):
    """Images of different sizes that a data set decodes when needed: uint8 ``(H, W, C)``."""

    source: Any
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return LazyImages(self.source, self.indices[index])
        if isinstance(index, np.ndarray):
            numbers = item_numbers(index, len(self))
            return LazyImages(self.source, tuple(self.indices[i] for i in numbers))
        return read_item(self.source, self.indices[index])[0]


def read_item(source: Any, index: int) -> Item:
    """Return the pixels, uint8 ``(H, W, C)``, and the label of one item.

    Raises
    ------
    KShotValueError
        For an item that cannot be read, or is no pair of picture and label; names its index.
    """
    try:
        given = source[index]
    except Exception as error:  # Decoders and data sets of users raise anything.
        raise _unreadable(index, error) from error
    return _item(given, index)


def stream_items(source: Any, limit: int | None) -> list[Item]:
    """Read a stream to its end, or its first ``limit`` items.

    Raises
    ------
    KShotValueError
        Without ``limit`` for a stream of more than ``MOST_OF_A_STREAM`` items, and as
        :func:`read_item`.
    """
    found: list[Item] = []
    for index, given in enumerate(islice(_iterated(source), limit)):
        if limit is None and index == MOST_OF_A_STREAM:
            raise KShotValueError(
                f"`dataset` is a stream of more than {MOST_OF_A_STREAM:,} items, which may have no "
                f"end. Give `limit=`, the number of items to take."
            )
        found.append(_item(given, index))
    return found


def check_steady(source: Any, content: Sequence[str]) -> None:
    """Read some items again; one with other pixels than before is a KShotValueError.

    Parameters
    ----------
    content : sequence of str
        The digest of each item's pixels.
    """
    for index in np.unique(np.linspace(0, len(content) - 1, _READ_TWICE).astype(int)).tolist():
        if digest(read_item(source, index)[0]) != content[index]:
            raise KShotValueError(
                f"item {index} of `dataset` has other pixels when it is read again, so it has a "
                f"random transform. Every method must see the same images: take random transforms "
                f"out (flips, random crops, colour jitter), for example by `transform=None` or "
                f"one that only resizes."
            )


def image_pixels(image: Any) -> np.ndarray:
    """Return one image as uint8 ``(H, W, C)``.

    Parameters
    ----------
    image : PIL image, array ``(H, W)`` or ``(H, W, C)``, or tensor ``(C, H, W)`` or ``(H, W)``
        Arrays and tensors are uint8, or floats in [0, 1].
    """
    import torch

    if isinstance(image, torch.Tensor):
        moved = image.detach().cpu()
        return _array_pixels((moved.permute(1, 2, 0) if moved.ndim == 3 else moved).numpy())
    return _array_pixels(image) if isinstance(image, np.ndarray) else _picture_pixels(image)


def whole_label(target: Any) -> int | str:
    """Return a label that may be a number, a text, or an array or tensor of one number.

    Raises
    ------
    KShotValueError
        For what is neither a name nor a whole number from 0 on.
    """
    if isinstance(target, str):
        return target
    number = _number(target)
    if number is None or number != np.floor(number):
        raise KShotValueError(
            f"a label must be a name or one whole number; not {target!r}. Give a data set with "
            f"one label an image."
        )
    if number < 0:
        raise KShotValueError(
            f"a label must be 0 or more; not {int(number)}, which often marks an image without a "
            f"label. Leave such images out."
        )
    return int(number)


def _number(target: Any) -> Any:
    try:
        one = np.asarray(target)
        found = one.reshape(()).item() if one.dtype.kind in "biuf" else None
    except (TypeError, ValueError, RuntimeError):
        return None
    return found if found is not None and np.isfinite(found) else None


def _item(given: Any, index: int) -> Item:
    try:
        picture, target = _pair(given)
        return image_pixels(picture), whole_label(target)
    except KShotValueError as error:
        raise KShotValueError(f"item {index} of `dataset`: {error}") from error
    except Exception as error:  # Files are decoded here at last.
        raise _unreadable(index, error) from error


def _pair(item: Any) -> tuple[Any, Any]:
    if isinstance(item, (tuple, list)) and len(item) >= 2:
        return item[0], item[1]
    raise KShotValueError(
        f"an item must be (image, label); not {type(item).__name__}. Wrap the data set, or give "
        f"arrays: ImageDataset.from_arrays(images, labels)."
    )


def _array_pixels(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f" and array.size and array.min() < -TOLERANCE:
        raise KShotValueError(
            f"its pixels go from {array.min():g} to {array.max():g}; they must lie in [0, 1]. "
            f"Leave out transforms that normalise: the network's own preprocess does that."
        )
    found: np.ndarray = eight_bit(array[None])[0]
    return found


def _picture_pixels(image: Any) -> np.ndarray:
    from PIL import Image

    if not isinstance(image, Image.Image):
        raise KShotValueError(
            f"an item must begin with a PIL image, an array or a tensor; "
            f"not {type(image).__name__}."
        )
    return pixels(image)


def _iterated(source: Any) -> Iterator[Any]:
    """Yield the items; an error between them names the index of the one that did not come."""
    index = 0
    items = iter(source)
    while True:
        try:
            given = next(items)
        except StopIteration:
            return
        except Exception as error:
            raise _unreadable(index, error) from error
        yield given
        index += 1


def _unreadable(index: int, error: Exception) -> KShotValueError:
    return KShotValueError(
        f"item {index} of `dataset` cannot be read ({type(error).__name__}: {error}). Repair it or "
        f"leave it out, for example by torch.utils.data.Subset."
    )
