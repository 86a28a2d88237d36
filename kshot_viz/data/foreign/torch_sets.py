"""Images, labels and class names of a data set of PyTorch: torchvision's or anybody's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kshot_viz.data.file_checks import check_files
from kshot_viz.data.fingerprint import content_fingerprint, pixel_fingerprint
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
    _check(source, limit, classes)
    about = dict(notes or {"source": f"{type(source).__module__}.{type(source).__name__}"})
    called, fixed = name or _called(source), classes is not None
    given = list(classes) if classes is not None else given_names(source)
    if _is_stream(source):
        source = stream_items(source, limit)
    elif limit is not None:
        source = _First(source, limit)
    paths = _paths(source)
    read = _of_files(source, paths, called) if paths else _of_items(source)
    targets, names = named(given, read.raw, fixed=fixed)
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


def _check(source: Any, limit: int | None, classes: Any) -> None:
    from torch.utils.data import DataLoader

    whole = isinstance(limit, (int, np.integer)) and not isinstance(limit, bool)
    if limit is not None and (not whole or limit < 1):
        raise KShotValueError(f"`limit` must be None or a whole number >= 1; not {limit!r}.")
    listed = isinstance(classes, Iterable) and not isinstance(classes, (str, bytes))
    if classes is not None and not (listed and list(classes)):
        raise KShotValueError(f"`classes` must be a list of names; not {classes!r}.")
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


def _paths(source: Any) -> list[Path]:
    """Return the files of a data set that keeps a list of them, and changes nothing in them."""
    if any(getattr(source, name, None) is not None for name in _TRANSFORMS):
        return []
    for attribute in _FILE_LISTS:
        entries = getattr(source, attribute, None)
        if isinstance(entries, (list, tuple)) and len(entries) == len(source):
            heads = [e[0] if isinstance(e, (list, tuple)) else e for e in entries]
            if all(isinstance(head, (str, Path)) for head in heads):
                return [Path(head) for head in heads]
    return []


def _of_files(source: Any, paths: list[Path], name: str) -> _Read:
    checked = check_files(paths)
    problem = next((state.problem for state in checked if state.problem), None)
    if problem:
        raise KShotFileError(f"{name} is damaged: {problem}.")
    return _Read(
        ImageFiles(tuple(map(str, paths))),
        _stored_targets(source),
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


def _stored_targets(source: Any) -> list[int | str]:
    for attribute in ("targets", "_labels", "labels"):
        values = getattr(source, attribute, None)
        if values is not None and len(values) == len(source):
            return [whole_label(value) for value in values]
    for attribute in _FILE_LISTS:
        entries = getattr(source, attribute, None)
        if isinstance(entries, (list, tuple)) and isinstance(entries[0], tuple):
            return [whole_label(entry[1]) for entry in entries]
    return [read_item(source, i)[1] for i in range(len(source))]


def named(
    given: Sequence[Any], raw: Sequence[Any], *, fixed: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Give targets and class names; a set without names gets its labels as names.

    Parameters
    ----------
    given : sequence
        Names by number.
    raw : sequence of int or str
        A label of each image.
    fixed : bool
        Numbers without a name are a KShotValueError; else the labels are the names then.
    """
    if any(isinstance(one, str) for one in raw):
        names = [str(one) for one in given] or sorted({str(one) for one in raw})
        index = {one: i for i, one in enumerate(names)}
        if unknown := sorted({str(one) for one in raw} - set(index)):
            raise KShotValueError(f"labels that are in no class: {unknown[:8]}.")
        return np.array([index[str(one)] for one in raw], dtype=np.int64), names
    targets = np.asarray(raw, dtype=np.int64)
    if targets.max() >= len(given):
        if fixed:
            raise KShotValueError(
                f"labels are numbers of `classes`, 0..{len(given) - 1}; there is {targets.max()}."
            )
        values, targets = np.unique(targets, return_inverse=True)
        return targets.astype(np.int64), [str(value) for value in values.tolist()]
    names = [str(entry if isinstance(entry, str) else entry[0]) for entry in given]
    twice = {name for name, count in Counter(names).items() if count > 1}
    return targets, [f"{name} ({i})" if name in twice else name for i, name in enumerate(names)]


def given_names(source: Any) -> list[Any]:
    """Return the class names that a data set has: torchvision's, or those of medmnist.

    A ``Subset`` has those of its whole, a ``ConcatDataset`` those of its parts.
    """
    if parts := _parts(source):
        return _common_names(parts)
    for attribute in ("classes", "categories"):
        if getattr(source, attribute, None):
            return list(getattr(source, attribute))
    about = getattr(source, "info", None)
    if isinstance(about, dict) and isinstance(about.get("label"), dict):
        return [about["label"][key] for key in sorted(about["label"], key=int)]
    numbered = getattr(source, "class_to_idx", None) or {}
    return sorted(numbered, key=numbered.__getitem__)


def _parts(source: Any) -> list[Any]:
    from torch.utils.data import ConcatDataset, Subset

    if isinstance(source, Subset):
        return [source.dataset]
    return list(source.datasets) if isinstance(source, ConcatDataset) else []


def _common_names(parts: Sequence[Any]) -> list[Any]:
    found = [names for names in map(given_names, parts) if names]
    if any(names != found[0] for names in found):
        raise KShotValueError(
            f"the parts of `dataset` have different class names: {found[0][:8]} and "
            f"{next(names for names in found if names != found[0])[:8]}. Bring their labels to one "
            f"numbering and give `classes=`, the names by number."
        )
    return found[0] if found else []


def _called(source: Any) -> str:
    parts = _parts(source)
    return _called(parts[0]) if len(parts) == 1 else type(source).__name__
