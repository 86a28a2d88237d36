"""Labelled images of any accepted form as a data set, as they are: nothing is rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from torch import Tensor

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.fingerprint import content_fingerprint
from kshot_viz.data.image_files import item_numbers
from kshot_viz.data.images import filled_count, image_digests
from kshot_viz.data.pixels import digest
from kshot_viz.errors import KShotValueError
from kshot_viz.models.inputs.support import support_parts

NAME = "your images"


@dataclass(frozen=True, eq=False)
class ImageList(Sequence[Any]):
    """A list of images that takes arrays of indices too, as arrays do."""

    items: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice | np.ndarray) -> ImageList: ...
    def __getitem__(self, index: int | slice | np.ndarray) -> Any:
        if isinstance(index, slice):
            return ImageList(self.items[index])
        if isinstance(index, np.ndarray):
            return ImageList(tuple(self.items[i] for i in item_numbers(index, len(self))))
        return self.items[index]


def labelled_dataset(support: Any) -> tuple[ImageDataset, np.ndarray]:
    """Return a support as a data set, and the class that each of its class indices stands for.

    Parameters
    ----------
    support : object with ``images`` and ``labels``, or a pair (images, labels)

    Raises
    ------
    KShotValueError
        For an empty batch, unless there is one label for each image, and for fewer than two
        classes.
    """
    images, targets, classes = support_parts(support)
    if filled_count(images) != len(targets):
        raise KShotValueError(f"{len(images)} images but {len(targets)} labels were given.")
    if len(classes) < 2:
        raise KShotValueError(
            f"A classifier needs two classes or more, not one class: {classes.tolist()}."
        )
    names = tuple(map(str, classes))
    if isinstance(support, ImageDataset):
        kept = [support.classes.index(name) for name in names]
        return support.restrict(range(len(support)), kept), classes
    held = _indexable(images)
    content = _contents(held)
    fingerprint = content_fingerprint(names, targets, content)
    return ImageDataset(held, targets, names, NAME, content, fingerprint), classes


def _indexable(images: Any) -> Any:
    """Return a batch of the same values that takes an array of indices."""
    if isinstance(images, ImageDataset):
        return images.images
    if not isinstance(images, Tensor):
        return ImageList(tuple(images)) if isinstance(images, (list, tuple)) else images
    array = images.detach().cpu().numpy()
    # Arrays of bytes are channels last, tensors of bytes channels first.
    return array.transpose(0, 2, 3, 1) if array.dtype == np.uint8 and array.ndim == 4 else array


def _contents(images: Any) -> tuple[str, ...]:
    """Return a digest of each image; rows of features have none of their own."""
    found = image_digests(images)
    return found or tuple(digest(np.asarray(row)) for row in images)
