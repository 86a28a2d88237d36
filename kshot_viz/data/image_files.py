"""Images that stay on disk until they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from kshot_viz.data.pixels import MAX_PIXELS, read_pixels


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
            return ImageFiles(tuple(self.paths[i] for i in index.tolist()), self.max_pixels)
        return read_pixels(self.paths[index], max_pixels=self.max_pixels)
