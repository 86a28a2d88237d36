"""Images, labels and class names of a data set of PyTorch: torchvision's or anybody's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kshot_viz.data.arrays import eight_bit
from kshot_viz.data.file_checks import check_files
from kshot_viz.data.fingerprint import content_fingerprint
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.pixels import digest, image_digest, pixels
from kshot_viz.errors import KShotFileError, KShotValueError

# Where data sets of torchvision keep the list of their files.
_FILE_LISTS = ("samples", "_samples", "_image_files", "_images", "imgs", "data")
_TRANSFORMS = ("transform", "target_transform", "transforms")


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
            return LazyImages(self.source, tuple(self.indices[i] for i in index.tolist()))
        return image_pixels(self.source[self.indices[index]][0])


def is_torch_dataset(source: object) -> bool:
    """Return whether this is a data set of PyTorch, by items or to be iterated over."""
    from torch.utils.data import Dataset

    return isinstance(source, Dataset)


def read_torch(
    source: Any,
    *,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    limit: int | None = None,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the attributes of an ImageDataset; see :meth:`ImageDataset.from_torch`."""
    called = name or type(source).__name__
    about = dict(notes or {"source": f"{type(source).__module__}.{type(source).__name__}"})
    if _is_stream(source):
        source, given = _read(source, limit), classes or _given_names(source)
    else:
        given = classes or _given_names(source)
        source = source if limit is None else _First(source, limit)
    paths = _paths(source)
    found = _of_files(source, given, paths, called) if paths else _of_items(source, given)
    return {"name": called, "notes": about, **found}


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


def _read(source: Any, limit: int | None) -> list[tuple[Any, Any]]:
    """Read a stream to its end, or its first ``limit`` items."""
    if not hasattr(source, "__iter__"):
        raise KShotValueError(
            f"`dataset` must have items or be iterable, of (image, label); "
            f"not {type(source).__name__}."
        )
    return [_pair(item) for item in islice(iter(source), limit)]


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


def _array_pixels(array: np.ndarray) -> np.ndarray:
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


def _pair(item: Any) -> tuple[Any, Any]:
    if isinstance(item, (tuple, list)) and len(item) >= 2:
        return item[0], item[1]
    raise KShotValueError(
        f"an item of `dataset` must be (image, label); not {type(item).__name__}. Wrap the data "
        f"set, or give arrays: ImageDataset.from_arrays(images, labels)."
    )


def _pairs(source: Any) -> Iterator[tuple[Any, Any]]:
    return (_pair(source[i]) for i in range(len(source)))


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


def _of_files(source: Any, given: Sequence[Any], paths: list[Path], name: str) -> dict[str, Any]:
    checked = check_files(paths)
    problem = next((state.problem for state in checked if state.problem), None)
    if problem:
        raise KShotFileError(f"{name} is damaged: {problem}.")
    targets, classes = named(given, _stored_targets(source))
    return {
        "images": ImageFiles(tuple(map(str, paths))),
        "targets": targets,
        "classes": tuple(classes),
        "digests": tuple(state.pixels for state in checked),
        "fingerprint": content_fingerprint(classes, targets, [one.content for one in checked]),
    }


def _of_items(source: Any, given: Sequence[Any]) -> dict[str, Any]:
    content: list[str] = []
    digests: list[str] = []
    raw: list[Any] = []
    arrays: list[np.ndarray] = []
    for i, (picture, target) in enumerate(_pairs(source)):
        array = image_pixels(picture)
        content.append(digest(array))
        digests.append(image_digest(array))
        raw.append(_label(target))
        if i == len(arrays) and array.shape == (arrays[0] if arrays else array).shape:
            arrays.append(array)
        else:
            arrays.clear()
    if not raw:
        raise KShotValueError("`dataset` is empty.")
    targets, classes = named(given, raw)
    return {
        "images": np.stack(arrays) if arrays else LazyImages(source, tuple(range(len(raw)))),
        "targets": targets,
        "classes": tuple(classes),
        "digests": tuple(digests),
        "fingerprint": content_fingerprint(classes, targets, content),
    }


def _label(target: Any) -> int | str:
    """Return a label that may be a number, a text, or an array or tensor of one number."""
    if isinstance(target, str):
        return target
    try:
        return int(np.asarray(target).reshape(()))
    except (TypeError, ValueError, RuntimeError):
        pass
    try:
        return int(np.asarray(target).item())
    except (TypeError, ValueError, RuntimeError) as error:
        raise KShotValueError(
            f"a label must be a name or one whole number; not {target!r}. Give a data set with "
            f"one label an image."
        ) from error


def _stored_targets(source: Any) -> list[int]:
    for attribute in ("targets", "_labels", "labels"):
        values = getattr(source, attribute, None)
        if values is not None and len(values) == len(source):
            return [int(value) for value in values]
    for attribute in _FILE_LISTS:
        entries = getattr(source, attribute, None)
        if isinstance(entries, (list, tuple)) and isinstance(entries[0], tuple):
            return [int(entry[1]) for entry in entries]
    return [int(source[i][1]) for i in range(len(source))]


def named(given: Sequence[Any], raw: Sequence[Any]) -> tuple[np.ndarray, list[str]]:
    """Give targets and class names; a set without names gets its labels as names."""
    if any(isinstance(one, str) for one in raw):
        names = [str(one) for one in given] or sorted({str(one) for one in raw})
        index = {one: i for i, one in enumerate(names)}
        if unknown := sorted({str(one) for one in raw} - set(index)):
            raise KShotValueError(f"labels that are in no class: {unknown[:8]}.")
        return np.array([index[str(one)] for one in raw], dtype=np.int64), names
    targets = np.asarray(raw, dtype=np.int64)
    if targets.max() >= len(given):
        values, targets = np.unique(targets, return_inverse=True)
        return targets.astype(np.int64), [str(value) for value in values.tolist()]
    names = [str(entry if isinstance(entry, str) else entry[0]) for entry in given]
    twice = {name for name, count in Counter(names).items() if count > 1}
    return targets, [f"{name} ({i})" if name in twice else name for i, name in enumerate(names)]


def _given_names(source: Any) -> list[Any]:
    """Return the class names that a data set has: torchvision's, or those of medmnist."""
    for attribute in ("classes", "categories"):
        if getattr(source, attribute, None):
            return list(getattr(source, attribute))
    about = getattr(source, "info", None)
    if isinstance(about, dict) and isinstance(about.get("label"), dict):
        return [about["label"][key] for key in sorted(about["label"], key=int)]
    numbered = getattr(source, "class_to_idx", None) or {}
    return sorted(numbered, key=numbered.__getitem__)
