"""Load a classification set of torchvision by its name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.foreign.torch_sets import read_torch
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
    return ImageDataset(**read_torch(source, name=label, notes=notes))


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
