"""Images that stay on disk until they are looked at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from torch import Tensor

from kshot_viz.data.pixels import MAX_PIXELS, read_pixels


def item_numbers(index: np.ndarray, count: int) -> list[int]:
    """Return the numbers that an array of indices, or a mask of ``count`` items, selects."""
    if index.dtype != bool:
        return index.tolist()  # type: ignore[no-any-return]
    if index.shape != (count,):
        raise IndexError(f"a mask of {count} images has shape ({count},); not {index.shape}")
    return np.flatnonzero(index).tolist()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ImageFiles(Sequence[np.ndarray]):
    """Images that stay on disk: ``files[i]`` decodes one to uint8 ``(H, W, 3)``.

    A slice or an array of indices gives another ``ImageFiles``; nothing is decoded then.
    Images of more than ``max_pixels`` pixels are an error.
    """

    paths: tuple[str, ...]
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice | np.ndarray) -> ImageFiles: ...
    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray | ImageFiles:
        if isinstance(index, slice):
            return ImageFiles(self.paths[index], self.max_pixels)
        if isinstance(index, np.ndarray):
            numbers = item_numbers(index, len(self))
            return ImageFiles(tuple(self.paths[i] for i in numbers), self.max_pixels)
        return read_pixels(self.paths[index], max_pixels=self.max_pixels)


def files_of(images: Any) -> Any:
    """Return a list of paths of image files as :class:`ImageFiles`, any other batch unchanged.

    A column of a table, or an array of one dimension, is the list of its items.
    """
    column = getattr(images, "ndim", 0) == 1 and not isinstance(images, Tensor)
    array = np.asarray(images) if column else None
    items = images if array is None or array.dtype.kind not in "OUT" else array.tolist()
    if not isinstance(items, (list, tuple)) or not items:
        return items
    paths = all(isinstance(one, (str, os.PathLike)) for one in items)
    return ImageFiles(tuple(map(os.fsdecode, items))) if paths else items
