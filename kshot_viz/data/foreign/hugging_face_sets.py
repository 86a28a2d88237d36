"""Images, labels and class names of a data set of the library ``datasets`` (Hugging Face)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kshot_viz.data.foreign.torch_sets import read_torch
from kshot_viz.errors import KShotValueError, unknown_name


def is_hugging_face_dataset(source: object) -> bool:
    """Return whether this is a data set, or a stream, of the library ``datasets``."""
    return any(
        one.__module__.startswith("datasets.") and one.__name__ in ("Dataset", "IterableDataset")
        for one in type(source).__mro__
    )


def read_hugging_face(
    source: Any,
    *,
    image: str | None = None,
    label: str | None = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Return the attributes of an ImageDataset; see :meth:`ImageDataset.from_hf`."""
    if not is_hugging_face_dataset(source):
        hint = " Choose a split: `dataset['train']`." if isinstance(source, dict) else ""
        raise KShotValueError(
            f"`dataset` must be a Dataset of the library datasets; "
            f"not {type(source).__name__}.{hint}"
        )
    features = source.features or {}
    pictures = _column(image, "image", features, "Image")
    labels = _column(label, "label", features, "ClassLabel")
    given = getattr(features.get(labels), "names", None) if classes is None else classes
    return read_torch(
        _Pairs(source, pictures, labels)
        if hasattr(source, "__len__")
        else _Stream(source, pictures, labels),
        classes=given,
        name=name or getattr(source.info, "dataset_name", None) or "hugging_face",
        limit=limit,
        notes={"source": f"datasets, columns {pictures!r} and {labels!r}"},
    )


class _Pairs:
    def __init__(self, source: Any, image: str, label: str) -> None:
        self._source, self._image, self._label = source, image, label

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        item = self._source[index]
        return item[self._image], item[self._label]


class _Stream:
    def __init__(self, source: Any, image: str, label: str) -> None:
        self._source, self._image, self._label = source, image, label

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return ((item[self._image], item[self._label]) for item in self._source)


def _column(given: str | None, argument: str, features: Mapping[str, Any], kind: str) -> str:
    """Return the column that was given, or the only one of a kind, or the one called so."""
    if given is not None:
        if features and given not in features:
            raise unknown_name(argument, given, features)
        return given
    fitting = [name for name, one in features.items() if type(one).__name__ == kind]
    if len(fitting) == 1:
        return fitting[0]
    if argument in features:
        return argument
    found = f"{len(fitting)} columns are: {fitting}" if fitting else f"columns: {list(features)}"
    raise KShotValueError(
        f"Which column is the {argument} is not clear ({found}). Give `{argument}=`, its name."
    )
