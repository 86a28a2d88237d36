"""Labelled images with their class names, one digest per image and one fingerprint.

The pixels are held in one array (digits, glyphs, small torchvision sets), or in files that are
decoded when they are needed. By the digests duplicates are found; by the fingerprint indices that
were stored for one data set are never used on another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from kshot_viz.data.arrays import eight_bit, named_targets
from kshot_viz.data.pixels import MAX_PIXELS, digest, image_digest, read_pixels
from kshot_viz.errors import KShotValueError
from kshot_viz.records import content_digest
from kshot_viz.text import html_details, html_table


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


@dataclass(frozen=True, eq=False, repr=False)
class ImageDataset:
    """Images with class names; immutable, every change gives a new one.

    Attributes
    ----------
    images : numpy.ndarray or sequence
        uint8 ``(N, H, W, C)`` with C 1 or 3, or a sequence such as :class:`ImageFiles` whose items
        are uint8 ``(H, W, 3)`` of any size.
    targets : numpy.ndarray
        int64 ``(N,)``, indices into ``classes``.
    classes : tuple of str
        The class names, in the order of the targets.
    name : str
        What tables call this data set.
    digests : tuple of str
        sha256 of the pixels of each image; equal digests are the same image.
    fingerprint : str
        sha256 over class names, targets and the content of every image; independent of where the
        data is.
    notes : mapping
        Where the data comes from: source, licence, font hashes, files left out.
    """

    images: Any
    targets: np.ndarray
    classes: tuple[str, ...]
    name: str
    digests: tuple[str, ...]
    fingerprint: str
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = {"images": self.images, "targets": self.targets, "digests": self.digests}
        sizes = {name: _length(name, part) for name, part in parts.items()}
        if len(set(sizes.values())) != 1:
            raise KShotValueError(f"`images`, `targets` and `digests` differ in length: {sizes}.")
        if len(set(self.classes)) != len(self.classes):
            raise KShotValueError(f"`classes` must be distinct names; not {self.classes!r}.")
        object.__setattr__(self, "targets", _checked_targets(self.targets, len(self.classes)))

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        *,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
        notes: Mapping[str, str] | None = None,
    ) -> ImageDataset:
        """Build a data set from pixels and labels in memory.

        Parameters
        ----------
        images : array
            uint8, or floats in [0, 1], which are rounded to eight bits; ``(N, H, W)`` or
            ``(N, H, W, C)`` with C 1 (grey) or 3 (RGB).
        labels : sequence of str or int
            ``(N,)``: names of classes, or integers, which are indices into ``classes`` where that
            is given.
        classes : sequence of str, optional
            Distinct names, in the order of the class indices; by default the sorted labels.
        name : str
            What tables call this data set.
        notes : mapping, optional
            Where the data comes from.

        Raises
        ------
        KShotValueError
            If images or labels have another type or shape, do not fit in number, or a label is
            in no class.
        """
        pixels = eight_bit(images)
        targets, names = named_targets(labels, classes)
        if len(pixels) != len(targets):
            raise KShotValueError(
                f"`images` and `labels` differ in length: {len(pixels)} and {len(targets)}."
            )
        content = [digest(image) for image in pixels]
        return cls(
            images=pixels,
            targets=targets,
            classes=names,
            name=name,
            digests=tuple(image_digest(image) for image in pixels),
            fingerprint=content_fingerprint(names, targets, content),
            notes=dict(notes or {}),
        )

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def n_classes(self) -> int:
        """Number of classes, those without images included."""
        return len(self.classes)

    @property
    def labels(self) -> np.ndarray:
        """Class name of each image, a string array ``(N,)``."""
        return np.asarray(self.classes, dtype=np.str_)[self.targets]

    def counts(self) -> dict[str, int]:
        """Count the images of each class, in the order of ``classes``."""
        totals = np.bincount(self.targets, minlength=self.n_classes)
        return dict(zip(self.classes, totals.tolist(), strict=True))

    def take(self, indices: Iterable[int] | np.ndarray) -> ImageDataset:
        """Keep the images at ``indices``, in that order, under the same class names."""
        return self.restrict(indices, range(self.n_classes))

    def restrict(self, indices: Iterable[int] | np.ndarray, classes: Iterable[int]) -> ImageDataset:
        """Keep the images at ``indices`` and rename their targets to positions in ``classes``.

        Parameters
        ----------
        indices : iterable of int
            Images to keep, in that order.
        classes : iterable of int
            Old class indices; the new set has these classes in this order.

        Raises
        ------
        KShotValueError
            If an index is out of range or an image belongs to none of ``classes``.
        """
        keep = _checked_indices("indices", indices, len(self))
        old = _checked_indices("classes", classes, self.n_classes).tolist()
        renamed = np.full(self.n_classes, -1, dtype=np.int64)
        renamed[old] = np.arange(len(old))
        return ImageDataset(
            images=self.images[keep],
            targets=renamed[self.targets[keep]],
            classes=tuple(self.classes[c] for c in old),
            name=self.name,
            digests=tuple(self.digests[i] for i in keep.tolist()),
            fingerprint=_sha256(["subset", self.fingerprint, *old, "of", *keep.tolist()]),
            notes=self.notes,
        )

    def __repr__(self) -> str:
        return (
            f"ImageDataset({self.name!r}: {len(self)} images, {self.n_classes} classes, "
            f"{self._size_text()}, fingerprint {self.fingerprint[:12]})"
        )

    def _repr_html_(self) -> str:
        table = html_table(("class", "images"), self.counts().items())
        return html_details(repr(self), table, opened=False)

    def _size_text(self) -> str:
        if not isinstance(self.images, np.ndarray):
            return "files"
        _, height, width, channels = self.images.shape
        return f"{height}x{width} {'grey' if channels == 1 else 'RGB'}"


def content_fingerprint(classes: Sequence[str], targets: np.ndarray, content: Sequence[str]) -> str:
    """Hash class names, targets and one content hash per image into one fingerprint."""
    return _sha256(["dataset", len(classes), *classes, *np.asarray(targets).tolist(), *content])


def _sha256(parts: Iterable[object]) -> str:
    texts = (str(part).encode() for part in parts)
    # The length in front distinguishes ("ab", "c") from ("a", "bc").
    return content_digest(b"%d:%b" % (len(text), text) for text in texts)


def _length(name: str, part: Any) -> int:
    if not hasattr(part, "__len__") or getattr(part, "ndim", 1) == 0:
        raise KShotValueError(f"`{name}` must be a sequence; not {type(part).__name__}.")
    return len(part)


def _checked_targets(targets: np.ndarray, n_classes: int) -> np.ndarray:
    array = np.asarray(targets)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise KShotValueError(
            f"`targets` must be a row of integers; not {array.dtype} {array.shape}."
        )
    if array.size and not (array.min() >= 0 and array.max() < n_classes):
        raise KShotValueError(
            f"`targets` must lie in 0..{n_classes - 1}; not {array.min()}..{array.max()}."
        )
    return array.astype(np.int64)


def _checked_indices(argument: str, indices: Iterable[int] | np.ndarray, length: int) -> np.ndarray:
    try:
        values = indices if isinstance(indices, np.ndarray) else list(indices)
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise KShotValueError(f"`{argument}` must be a row of integers: {error}.") from error
    array = array.astype(np.int64) if array.size == 0 and array.dtype.kind in "fiu" else array
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise KShotValueError(f"`{argument}` must be a row of integers; not {array.dtype}.")
    if array.size and not (array.min() >= 0 and array.max() < length):
        raise KShotValueError(f"`{argument}` must lie in 0..{length - 1}; not {values!r}.")
    return array.astype(np.int64)
