"""Labelled images with their class names, one digest per image and one fingerprint.

The pixels are held in one array (digits, glyphs, small torchvision sets), or in files that are
decoded when they are needed. By the digests duplicates are found; by the fingerprint indices that
were stored for one data set are never used on another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kshot_viz.data.arrays import eight_bit, named_targets
from kshot_viz.data.class_texts import texts_of_files
from kshot_viz.data.fingerprint import content_fingerprint, pixel_fingerprint, subset_fingerprint
from kshot_viz.data.foreign.hugging_face_sets import read_hugging_face
from kshot_viz.data.foreign.torch_sets import read_torch
from kshot_viz.data.pixels import digest, grey_digest, image_digest
from kshot_viz.data.rows import checked_indices, checked_targets, length
from kshot_viz.errors import KShotValueError
from kshot_viz.text import html_details, html_table


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
    descriptions : mapping of str to str
        Class -> text that says what it is, of all classes or of some; see
        :func:`kshot_viz.describe`.
    pixel_fingerprint : str
        As ``fingerprint``, but of the decoded pixels where that is of files: episodes are drawn by
        it, so that they are the same from files and from arrays.
    """

    images: Any
    targets: np.ndarray
    classes: tuple[str, ...]
    name: str
    digests: tuple[str, ...]
    fingerprint: str
    notes: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    pixel_fingerprint: str = ""

    def __post_init__(self) -> None:
        parts = {"images": self.images, "targets": self.targets, "digests": self.digests}
        sizes = {name: length(name, part) for name, part in parts.items()}
        if len(set(sizes.values())) != 1:
            raise KShotValueError(f"`images`, `targets` and `digests` differ in length: {sizes}.")
        if len(set(self.classes)) != len(self.classes):
            raise KShotValueError(f"`classes` must be distinct names; not {self.classes!r}.")
        object.__setattr__(self, "targets", checked_targets(self.targets, len(self.classes)))
        object.__setattr__(self, "pixel_fingerprint", self.pixel_fingerprint or self.fingerprint)

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        *,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
        notes: Mapping[str, str] | None = None,
        descriptions: Mapping[str, str] | None = None,
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
        descriptions : mapping of str to str, optional
            Class -> text.

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
        digests = tuple(image_digest(image) for image in pixels)
        grey = [grey_digest(image) for image in pixels]
        return cls(
            images=pixels,
            targets=targets,
            classes=names,
            name=name,
            digests=digests,
            fingerprint=content_fingerprint(names, targets, [digest(image) for image in pixels]),
            pixel_fingerprint=pixel_fingerprint(names, targets, digests, grey),
            notes=dict(notes or {}),
        ).described(descriptions or {})

    @classmethod
    def from_torch(
        cls,
        dataset: Any,
        *,
        classes: Sequence[str] | None = None,
        name: str | None = None,
        limit: int | None = None,
        descriptions: Mapping[str, str] | None = None,
    ) -> ImageDataset:
        """Build a data set from one of PyTorch: torchvision's, medmnist's, or your own.

        Image files of torchvision without a transform stay on disk. Else every item is read once;
        images of one size become one array, others are decoded when needed.

        Parameters
        ----------
        dataset : torch.utils.data.Dataset, or anything of items
            Items are (image, label): a PIL image, an array ``(H, W, C)`` or a tensor ``(C, H, W)``,
            uint8 or floats in [0, 1]; a whole number from 0 on, or a name. Without random
            transforms: some items are read twice and compared. A stream is read once.
        classes : sequence of str, optional
            Names by number; by default those that the data set has, else the labels themselves.
        name : str, optional
            What tables call it; the class of the data set by default.
        limit : int, optional
            Take the first items only. A stream of more than 10,000 needs it.
        descriptions : mapping of str to str, optional
            Class -> text.

        Raises
        ------
        KShotValueError
            For items that are no such pair or cannot be read, by their index.
        """
        found = cls(**read_torch(dataset, classes=classes, name=name, limit=limit))
        return found.described(descriptions or {})

    @classmethod
    def from_hf(
        cls,
        dataset: Any,
        *,
        image: str | None = None,
        label: str | None = None,
        classes: Sequence[str] | None = None,
        name: str | None = None,
        limit: int | None = None,
        descriptions: Mapping[str, str] | None = None,
    ) -> ImageDataset:
        """Build a data set from one split of the library ``datasets`` (Hugging Face).

        Parameters
        ----------
        dataset : datasets.Dataset or datasets.IterableDataset
        image, label : str, optional
            Names of the columns; by default the only one with images, and the only one with
            classes.
        classes, name, limit, descriptions
            As in :meth:`from_torch`.

        Raises
        ------
        KShotKeyError, KShotValueError
            For a column that does not exist or is not clear, and as in :meth:`from_torch`.
        """
        found = read_hugging_face(
            dataset, image=image, label=label, classes=classes, name=name, limit=limit
        )
        return cls(**found).described(descriptions or {})

    def described(self, descriptions: Mapping[str, str]) -> ImageDataset:
        """Return the same images with descriptions of their classes.

        A description of no class, or one that is no text, is a KShotValueError.
        """
        unknown = [one for one in descriptions if one not in self.classes]
        if unknown or not all(isinstance(text, str) for text in descriptions.values()):
            why = f"of no class: {unknown[:8]}" if unknown else "that are no text"
            raise KShotValueError(f"`descriptions` has entries {why}; classes: {self.classes[:8]}.")
        return replace(self, descriptions=dict(descriptions))

    def in_memory(self) -> ImageDataset:
        """Return the same images as one array; different sizes are a KShotValueError."""
        arrays = [np.asarray(image) for image in self.images]
        if len({one.shape for one in arrays}) > 1:
            raise KShotValueError(f"the images of {self.name!r} have different sizes.")
        return ImageDataset.from_arrays(
            np.stack(arrays),
            self.targets,
            classes=self.classes,
            name=self.name,
            notes=self.notes,
            descriptions=self.descriptions
            or texts_of_files(self.images, self.labels, self.classes),
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
        keep = checked_indices("indices", indices, len(self))
        old = checked_indices("classes", classes, self.n_classes).tolist()
        names = tuple(self.classes[c] for c in old)
        renamed = np.full(self.n_classes, -1, dtype=np.int64)
        renamed[old] = np.arange(len(old))
        return ImageDataset(
            images=self.images[keep],
            targets=renamed[self.targets[keep]],
            classes=names,
            name=self.name,
            digests=tuple(self.digests[i] for i in keep.tolist()),
            fingerprint=subset_fingerprint(self.fingerprint, old, keep),
            pixel_fingerprint=subset_fingerprint(self.pixel_fingerprint, old, keep),
            notes=self.notes,
            descriptions={one: self.descriptions[one] for one in names if one in self.descriptions},
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
