from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision.datasets import ImageFolder

from kshot_viz.data.foreign.class_names import given_names, named
from kshot_viz.data.foreign.items import LazyImages
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.data.torchvision_sets import load_torchvision, torchvision_names
from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError, KShotWarning


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write the file format of MNIST."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + array.tobytes())
    with gzip.open(f"{path}.gz", "wb") as packed:
        packed.write(path.read_bytes())


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    raw = tmp_path / "FashionMNIST" / "raw"
    rng = np.random.default_rng(0)
    for part, n in (("train", 30), ("t10k", 10)):
        write_idx(raw / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (n, 28, 28), np.uint8))
        write_idx(raw / f"{part}-labels-idx1-ubyte", (np.arange(n) % 10).astype(np.uint8))
    return tmp_path


def eurosat(root: Path, sizes: tuple[int, int] = (8, 8)) -> Path:
    for c in range(10):
        folder = root / "eurosat" / "2750" / f"class{c}"
        folder.mkdir(parents=True)
        for i, side in enumerate(sizes):
            Image.new("RGB", (side, side), (c, i, 0)).save(folder / f"{i}.png")
    return root


def caltech(root: Path) -> Path:
    (root / "caltech101" / "101_ObjectCategories" / "BACKGROUND_Google").mkdir(parents=True)
    for c in ("bear", "ant"):
        folder = root / "caltech101" / "101_ObjectCategories" / c
        folder.mkdir(parents=True)
        (root / "caltech101" / "Annotations" / c).mkdir(parents=True)
        for i in (1, 2):
            Image.new("RGB", (8 + i, 8), (i, 0, 0)).save(folder / f"image_000{i}.jpg")
    return root


def test_a_set_in_memory_becomes_one_array(fashion: Path) -> None:
    data = load_dataset("fashionmnist", root=fashion)
    assert data.images.shape == (30, 28, 28, 1)
    assert data.name == "FashionMNIST"
    assert data.classes[0] == "T-shirt/top"
    assert data.counts()["Bag"] == 3
    test = load_dataset("FashionMNIST", root=fashion, split="test")
    assert len(test) == 10
    assert test.fingerprint != data.fingerprint


def test_image_files_stay_on_disk(tmp_path: Path) -> None:
    data = load_torchvision("EuroSAT", root=eurosat(tmp_path, (8, 12)))
    assert isinstance(data.images, ImageFiles)
    assert data.n_classes == 10
    assert data.images[1].shape == (12, 12, 3)
    assert data.targets.tolist() == np.repeat(np.arange(10), 2).tolist()


def test_sets_without_a_list_of_files_decode_when_needed(tmp_path: Path) -> None:
    data = load_torchvision("Caltech101", root=caltech(tmp_path))
    assert isinstance(data.images, LazyImages)
    assert data.classes == ("ant", "bear")
    part = pickle.loads(pickle.dumps(data.take([3, 0])))
    assert [image.shape for image in part.images] == [(8, 10, 3), (8, 9, 3)]
    assert len(part.images[:1]) == 1


def test_missing_files_tell_about_download(tmp_path: Path) -> None:
    with pytest.raises(KShotFileError, match=r"MNIST.*download=True"):
        load_dataset("mnist", root=tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    root = eurosat(tmp_path)
    (root / "eurosat" / "2750" / "class3" / "1.png").write_bytes(b"no")
    with pytest.raises(KShotFileError, match=r"class3.1\.png"):
        load_torchvision("EuroSAT", root=root)


def test_unknown_names_and_splits(fashion: Path) -> None:
    with pytest.raises(KShotKeyError, match=r"(?s)'cifar11.*CIFAR10.*folder"):
        load_dataset("cifar11")
    with pytest.raises(KShotKeyError, match="CIFAR100"):
        load_torchvision("cifar-100")
    with pytest.raises(KShotValueError, match="`split` of FashionMNIST"):
        load_torchvision("FashionMNIST", root=fashion, split="val")
    with pytest.raises(KShotValueError, match="cannot download ImageNet"):
        load_torchvision("ImageNet", root=fashion, download=True)


def test_every_listed_name_exists() -> None:
    import torchvision

    assert all(hasattr(torchvision.datasets, name) for name in torchvision_names())


class Numbered(Dataset[Any]):
    """Stand in for a set without class names, with odd ones, or around another set."""

    source: Any = ()

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Any:
        return self.source[index]


def zoo(root: Path) -> Path:
    for c, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (8, 6), (100 * c, i, 0)).save(root / name / f"{i}.png")
    return root


class Cropped(ImageFolder):
    """The files are on disk, but an item is a part of one, with another label."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = super().__getitem__(index)
        return image.crop((0, 0, 4, 4)), 1 - label


def test_files_are_read_from_disk_only_where_items_are_these_files(tmp_path: Path) -> None:
    root = zoo(tmp_path)
    plain = load_dataset(ImageFolder(root))
    assert isinstance(plain.images, ImageFiles)
    assert plain.labels.tolist() == ["cat", "cat", "dog", "dog"]
    cropped = load_dataset(Cropped(root))
    assert cropped.images.shape == (4, 4, 4, 3)
    assert cropped.labels.tolist() == ["dog", "dog", "cat", "cat"]
    small = load_dataset(ImageFolder(root, loader=lambda path: Image.open(path).resize((3, 5))))
    assert small.images.shape == (4, 5, 3, 3)
    wrapped = load_dataset(Numbered(samples=plain.images.paths, source=Cropped(root)))
    assert wrapped.images.shape == (4, 4, 4, 3)


def test_labels_of_files_are_those_of_the_items(tmp_path: Path) -> None:
    source = ImageFolder(zoo(tmp_path))
    source.samples = [(path, 1 - label) for path, label in source.samples]
    data = load_dataset(source)
    assert isinstance(data.images, ImageFiles)
    assert data.labels.tolist() == ["dog", "dog", "cat", "cat"]


def test_class_names() -> None:
    targets, names = named(given_names(Numbered()), [5, 7, 5])
    assert (targets.tolist(), names) == ([0, 1, 0], ["5", "7"])
    twice = Numbered(classes=[("crane", "bird"), "crane", "dog"])
    assert named(given_names(twice), [0, 2])[1] == ["crane (0)", "crane (1)", "dog"]
    assert named(given_names(Numbered(class_to_idx={"b": 1, "a": 0})), [0, 1])[1] == ["a", "b"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (np.array(["a", "b"]), ["a", "b"]),
        (torch.tensor([4, 5]), ["4", "5"]),
        ({"b": 1, "a": 0}, ["a", "b"]),
        (7, []),
        ("ab", []),
        ({1: "b", 0: "a"}, ["a", "b"]),
        ({"a": None}, []),
        (len, []),
        (torch.tensor(3), []),
    ],
)
def test_names_that_a_data_set_has_are_texts_or_none(names: object, found: list[str]) -> None:
    assert given_names(Numbered(classes=names)) == found


def test_notes_of_another_kind_are_no_names() -> None:
    assert given_names(Numbered(info={"label": {"kind": "text"}})) == []


@pytest.mark.parametrize("labels", [[1, 2, 3], [0, 1, 7]])
def test_names_that_do_not_fit_the_labels_are_told(labels: list[int]) -> None:
    with pytest.warns(KShotWarning, match=rf"0\.\.2, and its labels are .*{labels[-1]}.*`classes="):
        targets, names = named(["cat", "dog", "owl"], labels)
    assert (targets.tolist(), names) == ([0, 1, 2], [str(one) for one in labels])


def test_a_failed_load_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KShotFileError):
        load_torchvision("CIFAR10", root=tmp_path / "new")
    assert not (tmp_path / "new").exists()
