"""Images and labels of a data set of PyTorch: torchvision's or anybody's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kshot_viz.data.file_checks import check_files
from kshot_viz.data.fingerprint import content_fingerprint, pixel_fingerprint
from kshot_viz.data.foreign.class_names import checked_names, given_names, named, parts_of
from kshot_viz.data.foreign.items import (
    LazyImages,
    check_steady,
    read_item,
    stream_items,
    whole_label,
)
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.pixels import digest, grey_digest, image_digest
from kshot_viz.errors import KShotFileError, KShotValueError

# Where data sets of torchvision keep the list of their files.
_FILE_LISTS = ("samples", "_samples", "_image_files", "_images", "imgs", "data")
_TRANSFORMS = ("transform", "target_transform", "transforms")


@dataclass(frozen=True)
class _Read:
    """Pictures, their labels, and digests: of what is stored, of the pixels, and where grey."""

    images: Any
    raw: list[int | str]
    content: list[str]
    digests: list[str]
    grey: list[str]


def is_torch_dataset(source: object) -> bool:
    """Return whether this is a data set of PyTorch, or a loader of one, which is refused later."""
    from torch.utils.data import DataLoader, Dataset

    return isinstance(source, (Dataset, DataLoader))


def read_torch(
    source: Any,
    *,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    limit: int | None = None,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the attributes of an ImageDataset; see :meth:`ImageDataset.from_torch`."""
    _check(source, limit)
    chosen = checked_names(classes)
    about = dict(notes or {"source": f"{type(source).__module__}.{type(source).__name__}"})
    called = name or _called(source)
    given = given_names(source) if chosen is None else chosen
    if _is_stream(source):
        source = stream_items(source, limit)
    elif limit is not None:
        source = _First(source, limit)
    files = _files(source)
    read = _of_files(source, files, called) if files else _of_items(source)
    targets, names = named(given, read.raw, fixed=chosen is not None)
    return {
        "images": read.images,
        "targets": targets,
        "classes": tuple(names),
        "name": called,
        "digests": tuple(read.digests),
        "fingerprint": content_fingerprint(names, targets, read.content),
        "pixel_fingerprint": pixel_fingerprint(names, targets, read.digests, read.grey),
        "notes": about,
    }


def _check(source: Any, limit: int | None) -> None:
    from torch.utils.data import DataLoader

    whole = isinstance(limit, (int, np.integer)) and not isinstance(limit, bool)
    if limit is not None and (not whole or limit < 1):
        raise KShotValueError(f"`limit` must be None or a whole number >= 1; not {limit!r}.")
    if isinstance(source, DataLoader):
        raise KShotValueError("`dataset` is a DataLoader, of batches: give its `.dataset`.")
    if not hasattr(source, "__iter__") and _is_stream(source):
        raise KShotValueError(
            f"`dataset` must have items or be iterable, of (image, label); "
            f"not {type(source).__name__}."
        )


def _is_stream(source: Any) -> bool:
    from torch.utils.data import IterableDataset

    items = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    return isinstance(source, IterableDataset) or not items


class _First:
    """The first items of a data set."""

    def __init__(self, source: Any, n: int) -> None:
        self._source, self._n = source, min(n, len(source))

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Any:
        return self._source[index]


def _files(source: Any) -> list[Any]:
    """Return the entries of the list of files of a set whose items are these files as they are.

    Empty for any other. An entry is a path, or begins with one.
    """
    if not _unchanged(source):
        return []
    for attribute in _FILE_LISTS:
        entries = getattr(source, attribute, None)
        if not isinstance(entries, (list, tuple)) or len(entries) != len(source):
            continue
        if all(isinstance(_path(one), (str, Path)) for one in entries):
            return list(entries)
    return []


def _unchanged(source: Any) -> bool:
    """Return whether items are what torchvision itself reads from the files and their labels.

    The code of others may crop, resize, or choose another file or label.
    """
    from torchvision.datasets.folder import default_loader

    reads = getattr(type(source), "__getitem__", None)
    if not getattr(reads, "__module__", "").startswith("torchvision.datasets."):
        return False
    loaders = [getattr(source, name, None) for name in ("loader", "_loader")]
    return (
        all(one is None or one is default_loader for one in loaders)
        and all(getattr(source, name, None) is None for name in _TRANSFORMS)
        # OxfordIIITPet has other labels besides those of its classes.
        and getattr(source, "_target_types", ["category"]) == ["category"]
    )


def _path(entry: Any) -> Any:
    """Return the path of an entry (path, label) or path; None for others, as pairs of paths."""
    if not isinstance(entry, (list, tuple)):
        return entry
    return entry[0] if len(entry) == 2 and not isinstance(entry[1], (str, Path)) else None


def _of_files(source: Any, entries: list[Any], name: str) -> _Read:
    paths = [Path(_path(one)) for one in entries]
    checked = check_files(paths)
    problem = next((state.problem for state in checked if state.problem), None)
    if problem:
        raise KShotFileError(f"{name} is damaged: {problem}.")
    return _Read(
        ImageFiles(tuple(map(str, paths))),
        _stored_labels(source, entries),
        [state.content for state in checked],
        [state.pixels for state in checked],
        [state.grey for state in checked],
    )


def _of_items(source: Any) -> _Read:
    found, arrays = _Read([], [], [], [], []), list[np.ndarray]()
    for i in range(len(source)):
        array, target = read_item(source, i)
        found.raw.append(target)
        found.content.append(digest(array))
        found.digests.append(image_digest(array))
        found.grey.append(grey_digest(array))
        if i == len(arrays) and array.shape == (arrays[0] if arrays else array).shape:
            arrays.append(array)
        else:
            arrays.clear()
    if not found.raw:
        raise KShotValueError("`dataset` is empty.")
    check_steady(source, found.content)
    images = np.stack(arrays) if arrays else LazyImages(source, tuple(range(len(found.raw))))
    return replace(found, images=images)


def _stored_labels(source: Any, entries: list[Any]) -> list[int | str]:
    """Return the labels beside the paths, where torchvision takes them from, or those in a list."""
    if all(isinstance(one, (list, tuple)) for one in entries):
        return [whole_label(one[1]) for one in entries]
    for attribute in ("targets", "_labels", "labels"):
        values = getattr(source, attribute, None)
        if values is not None and len(values) == len(source):
            return [whole_label(value) for value in values]
    return [read_item(source, i)[1] for i in range(len(source))]


def _called(source: Any) -> str:
    parts = parts_of(source)
    return _called(parts[0]) if len(parts) == 1 else type(source).__name__
