"""Load a classification set of torchvision by its name."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kshot_viz.data.dataset import ImageDataset, content_fingerprint
from kshot_viz.data.file_checks import check_files
from kshot_viz.data.folder import files_dataset
from kshot_viz.data.pixels import digest, image_digest, pixels
from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name

DEFAULT_ROOT = "~/.cache/kshot_viz/torchvision"
_NAMES = [
    "Caltech101",
    "Caltech256",
    "CIFAR10",
    "CIFAR100",
    "CLEVRClassification",
    "Country211",
    "DTD",
    "EMNIST",
    "EuroSAT",
    "FashionMNIST",
    "FER2013",
    "FGVCAircraft",
    "Flowers102",
    "Food101",
    "GTSRB",
    "ImageNet",
    "Imagenette",
    "KMNIST",
    "LFWPeople",
    "MNIST",
    "Omniglot",
    "OxfordIIITPet",
    "PCAM",
    "Places365",
    "QMNIST",
    "RenderedSST2",
    "SEMEION",
    "StanfordCars",
    "STL10",
    "SUN397",
    "SVHN",
    "USPS",
]
# Names of the two splits where torchvision does not call them "train" and "test".
_SPLIT_WORDS: dict[str, dict[str, str]] = {
    "OxfordIIITPet": {"train": "trainval"},
    "ImageNet": {"test": "val"},
    "Imagenette": {"test": "val"},
    "Places365": {"train": "train-standard", "test": "val"},
    "Country211": {"val": "valid"},
}
_EXTRA: dict[str, dict[str, Any]] = {"EMNIST": {"split": "balanced"}, "Places365": {"small": True}}
_FILE_LISTS = ("samples", "_samples", "_image_files", "_images", "imgs", "data")


@dataclass(frozen=True)
class TorchvisionImages(Sequence[np.ndarray]):
    """Images of different sizes that torchvision decodes when needed: uint8 ``(H, W, C)``."""

    source: Any
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return TorchvisionImages(self.source, self.indices[index])
        if isinstance(index, np.ndarray):
            return TorchvisionImages(self.source, tuple(self.indices[i] for i in index.tolist()))
        return pixels(self.source[self.indices[index]][0])


def torchvision_names() -> list[str]:
    """List the classification sets that :func:`load_torchvision` can load."""
    return list(_NAMES)


def load_torchvision(
    name: str, *, root: str | Path = DEFAULT_ROOT, download: bool = False, split: str = "train"
) -> ImageDataset:
    """Load a torchvision classification set.

    Sets with image files stay on disk; sets that torchvision holds in memory become one array.

    Parameters
    ----------
    name : str
        A name of :func:`torchvision_names`, in any case.
    root : str or pathlib.Path
        Where torchvision keeps, or finds, the files.
    download : bool, default False
        Let torchvision fetch what is missing (needs the internet).
    split : str, default "train"
        "train", "test", or the name of another split of this set. Sets without a split ignore it.

    Raises
    ------
    KShotKeyError
        If there is no such set; lists the names.
    KShotFileError
        If the files are missing or broken, or the download fails.
    KShotValueError
        If the set has no such split, or torchvision cannot download it.
    """
    proper = {known.lower(): known for known in _NAMES}.get(str(name).lower())
    if proper is None:
        raise unknown_name("name", name, _NAMES)
    source = _open(proper, Path(root).expanduser(), download, split)
    label = proper if split == "train" else f"{proper}/{split}"
    notes = {"source": f"torchvision {proper}", "split": split}
    paths = _paths(source)
    return _from_files(source, paths, label, notes) if paths else _from_memory(source, label, notes)


def _open(name: str, root: Path, download: bool, split: str) -> Any:
    import torchvision

    factory = getattr(torchvision.datasets, name)
    accepted = inspect.signature(factory).parameters
    if download and "download" not in accepted:
        raise KShotValueError(f"torchvision cannot download {name}; put its files into `root`.")
    options = _split_options(name, accepted, split) | _EXTRA.get(name, {})
    if "download" in accepted:
        options["download"] = download
    try:
        if download:
            root.mkdir(parents=True, exist_ok=True)
        return factory(str(root), **options)
    except (OSError, RuntimeError, ImportError, ValueError) as error:
        if isinstance(error, ValueError) and "split" in options:
            raise KShotValueError(f"`split` of {name} cannot be {split!r}: {error}") from error
        cure = "the download failed" if download else "`download=True` fetches what is missing"
        raise KShotFileError(f"cannot load {name} from {str(root)!r}: {error} ({cure}).") from error


def _split_options(name: str, accepted: Mapping[str, Any], split: str) -> dict[str, Any]:
    for switch in ("train", "background"):
        if switch in accepted:
            if split not in ("train", "test"):
                raise KShotValueError(
                    f"`split` of {name} must be 'train' or 'test'; not {split!r}."
                )
            return {switch: split == "train"}
    word = _SPLIT_WORDS.get(name, {}).get(split, split)
    return {"split": word} if "split" in accepted else {}


def _paths(source: Any) -> list[Path]:
    """Find the list of files that many, but not all, of torchvision's sets keep."""
    for attribute in _FILE_LISTS:
        entries = getattr(source, attribute, None)
        if isinstance(entries, (list, tuple)) and len(entries) == len(source):
            heads = [e[0] if isinstance(e, (list, tuple)) else e for e in entries]
            if all(isinstance(head, (str, Path)) for head in heads):
                return [Path(head) for head in heads]
    return []


def _from_files(source: Any, paths: list[Path], name: str, notes: dict[str, str]) -> ImageDataset:
    checked = check_files(paths)
    problem = next((state.problem for state in checked if state.problem), None)
    if problem:
        raise KShotFileError(f"{name} is damaged: {problem}.")
    targets, classes = _named(source, _stored_targets(source))
    return files_dataset(paths, targets, classes, checked, name=name, notes=notes)


def _from_memory(source: Any, name: str, notes: dict[str, str]) -> ImageDataset:
    content: list[str] = []
    digests: list[str] = []
    raw: list[int] = []
    arrays: list[np.ndarray] = []
    for i in range(len(source)):
        picture, target = source[i]
        array = pixels(picture)
        content.append(digest(array))
        digests.append(image_digest(array))
        raw.append(int(target))
        if i == len(arrays) and array.shape == (arrays[0] if arrays else array).shape:
            arrays.append(array)
        else:
            arrays.clear()
    targets, classes = _named(source, raw)
    if arrays:
        return ImageDataset.from_arrays(
            np.stack(arrays), targets, classes=classes, name=name, notes=notes
        )
    images = TorchvisionImages(source, tuple(range(len(source))))
    fingerprint = content_fingerprint(classes, targets, content)
    return ImageDataset(images, targets, tuple(classes), name, tuple(digests), fingerprint, notes)


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


def _named(source: Any, raw: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """Give targets and class names; a set without names gets its numbers as names."""
    given = _given_names(source)
    targets = np.asarray(raw, dtype=np.int64)
    if targets.max() >= len(given):
        values, targets = np.unique(targets, return_inverse=True)
        return targets.astype(np.int64), [str(value) for value in values.tolist()]
    names = [str(entry if isinstance(entry, str) else entry[0]) for entry in given]
    twice = {name for name, count in Counter(names).items() if count > 1}
    return targets, [f"{name} ({i})" if name in twice else name for i, name in enumerate(names)]


def _given_names(source: Any) -> list[Any]:
    for attribute in ("classes", "categories"):
        if getattr(source, attribute, None):
            return list(getattr(source, attribute))
    numbered = getattr(source, "class_to_idx", None) or {}
    return sorted(numbered, key=numbered.__getitem__)
