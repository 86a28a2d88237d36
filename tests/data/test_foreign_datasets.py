"""Data sets of PyTorch and of Hugging Face: what is read, what is told, and what travels along."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
)

import kshot_viz as kv
from kshot_viz.data.foreign.items import LazyImages
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.transforms import (
    inverted,
    only_classes,
    rotated,
    shuffled_patches,
    textured,
)
from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError

CLASSES = ("cat", "dog", "owl")
EACH = 8


def pictures(sides=(12,)) -> tuple[list[np.ndarray], list[int]]:
    rng = np.random.default_rng(0)
    images, labels = [], []
    for c in range(len(CLASSES)):
        for i in range(EACH):
            side = sides[i % len(sides)]
            noise = rng.integers(0, 80, (side, 12, 3))
            images.append((noise + 60 * c).astype(np.uint8))
            labels.append(c)
    return images, labels


class Pairs(Dataset):
    """What users write: PIL images and numbers."""

    classes = CLASSES

    def __init__(self, sides=(12,), change=lambda image: image, label=int):
        self.images, self.targets_ = pictures(sides)
        self.change, self.label = change, label

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.change(Image.fromarray(self.images[i])), self.label(self.targets_[i])


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(Image.fromarray(i), c) for i, c in zip(*pictures(), strict=True)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("zoo")
    for i, (image, c) in enumerate(zip(*pictures(), strict=True)):
        (root / CLASSES[c]).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / CLASSES[c] / f"{i:03}.png")
    return root


def hugging_face(twice=False):
    datasets = pytest.importorskip("datasets")
    images, labels = pictures()
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=list(CLASSES))}
    )
    rows = {"picture": [Image.fromarray(one) for one in images], "kind": labels}
    if twice:
        features["again"], rows["again"] = datasets.Image(), rows["picture"]
    return datasets.Dataset.from_dict(rows, features=features)


def test_tensors_and_arrays_of_labels():
    images, labels = pictures()
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    eight = kv.ImageDataset.from_torch(TensorDataset(batch, torch.tensor(labels)), classes=CLASSES)
    floats = TensorDataset(batch.float() / 255, torch.tensor(labels))
    assert kv.ImageDataset.from_torch(floats, classes=CLASSES).fingerprint == eight.fingerprint
    assert kv.ImageDataset.from_torch(floats).classes == ("0", "1", "2")
    medical = Pairs(label=lambda c: np.array([c]))
    assert kv.load_dataset(medical).fingerprint == eight.fingerprint
    named = Pairs(label=lambda c: CLASSES[c])
    assert kv.load_dataset(named).fingerprint == eight.fingerprint


def test_names_as_medmnist_keeps_them():
    data = Pairs()
    data.classes, data.info = (), {"label": {"2": "owl", "0": "cat", "1": "dog"}}
    assert kv.ImageDataset.from_torch(data).classes == CLASSES


def test_files_of_torchvision_stay_on_disk_unless_they_are_changed(folder):
    from torchvision.datasets import ImageFolder

    kept = kv.ImageDataset.from_torch(ImageFolder(str(folder)))
    assert isinstance(kept.images, ImageFiles)
    assert kept.fingerprint == kv.load_dataset(folder).fingerprint
    mirrored = ImageFolder(str(folder), transform=lambda image: image.transpose(0))
    assert kv.ImageDataset.from_torch(mirrored).images.shape == (24, 12, 12, 3)


def test_images_of_different_sizes_are_decoded_when_needed():
    data = kv.ImageDataset.from_torch(Pairs(sides=(12, 9)))
    assert isinstance(data.images, LazyImages)
    assert [image.shape[0] for image in data.images[:3]] == [12, 9, 12]
    with pytest.raises(KShotValueError, match="different sizes"):
        data.in_memory()


def test_some_items_and_a_name():
    assert len(kv.ImageDataset.from_torch(Pairs(), limit=5)) == 5
    assert len(kv.ImageDataset.from_torch(Stream(), limit=5)) == 5
    assert kv.ImageDataset.from_torch(Pairs(), name="mine").name == "mine"
    assert kv.load_dataset(Pairs(), limit=3, name="mine").name == "mine"


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, "3"])
def test_a_limit_is_a_number_of_items(limit):
    with pytest.raises(KShotValueError, match="`limit` must be None or a whole number >= 1"):
        kv.ImageDataset.from_torch(Pairs(), limit=limit)


class Endless(IterableDataset):
    def __iter__(self):
        image = np.zeros((2, 2), np.uint8)
        return ((image, i % 3) for i in itertools.count())


def test_a_stream_without_an_end_asks_for_a_limit():
    with pytest.raises(KShotValueError, match=r"more than 10,000 items.* Give `limit=`"):
        kv.load_dataset(Endless())
    assert len(kv.load_dataset(Endless(), limit=7)) == 7


def test_parts_of_a_data_set_keep_its_class_names():
    part = kv.load_dataset(Subset(Pairs(), [0, 9, 17, 2]))
    assert part.classes == CLASSES
    assert part.labels.tolist() == ["cat", "dog", "owl", "cat"]
    assert part.name == "Pairs"
    nested = ConcatDataset([Subset(Pairs(), [0, 9]), Pairs()])
    assert kv.load_dataset(nested).classes == CLASSES
    other = Pairs()
    other.classes = ("red", "green", "blue")
    with pytest.raises(KShotValueError, match=r"different class names.*give `classes=`"):
        kv.load_dataset(ConcatDataset([Pairs(), other]))
    named = kv.load_dataset(ConcatDataset([Pairs(), other]), classes=["0", "1", "2"])
    assert named.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    "classes", ["abc", 3, [], {"a", "b", "c"}, {0: "a", 1: "b", 2: "c"}, np.eye(3), torch.tensor(3)]
)
def test_classes_are_a_list_of_names(classes):
    with pytest.raises(KShotValueError, match="`classes` must be a list of names"):
        kv.ImageDataset.from_torch(Pairs(), classes=classes)


@pytest.mark.parametrize("classes", [[4, 5, 6], np.array([4, 5, 6]), torch.tensor([4, 5, 6])])
def test_names_become_texts(classes):
    data = kv.ImageDataset.from_torch(Pairs(), classes=classes)
    assert data.classes == ("4", "5", "6")
    assert kv.ImageDataset.from_hf(hugging_face(), classes=classes).classes == data.classes


def test_names_that_do_not_reach_are_told():
    with pytest.raises(KShotValueError, match=r"numbers of `classes`, 0..1; there is 2"):
        kv.ImageDataset.from_torch(Pairs(), classes=["cat", "dog"])


class Broken(Pairs):
    def __getitem__(self, i):
        if i == 5:
            raise OSError("truncated")
        return super().__getitem__(i)


class BrokenStream(IterableDataset):
    def __iter__(self):
        return map(Broken().__getitem__, range(9))


@pytest.mark.parametrize("data", [Broken(), BrokenStream(), Broken(sides=(12, 9))])
def test_an_item_that_cannot_be_read_is_named(data):
    with pytest.raises(
        KShotValueError, match=r"item 5 of `dataset` cannot be read \(OSError: trun"
    ):
        kv.load_dataset(data)


def test_a_cut_off_file_of_hugging_face_is_named(folder):
    datasets = pytest.importorskip("datasets")
    content = (folder / "cat" / "000.png").read_bytes()
    rows = {"image": [{"bytes": content}, {"bytes": content[:60]}], "label": [0, 1]}
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    with pytest.raises(KShotValueError, match="item 1 of `dataset` cannot be read"):
        kv.load_dataset(datasets.Dataset.from_dict(rows, features=features))


@pytest.mark.parametrize("sides", [(12,), (12, 9)])
def test_random_transforms_are_told(sides):
    from torchvision.transforms import RandomHorizontalFlip

    torch.manual_seed(0)
    with pytest.raises(
        KShotValueError, match=r"other pixels when it is read again.*transform=None"
    ):
        kv.load_dataset(Pairs(sides=sides, change=RandomHorizontalFlip()))
    kv.load_dataset(Pairs(sides=sides, change=RandomHorizontalFlip(p=1)))


def test_descriptions_travel_with_the_data():
    texts = {"cat": "a small cat", "dog": "a dog", "owl": "a bird"}
    data = kv.ImageDataset.from_torch(Pairs(), descriptions=texts)
    assert kv.describe(data) == texts
    part = data.restrict(range(EACH, 2 * EACH), [1])
    assert kv.describe(part) == {"dog": "a dog"}
    with pytest.raises(KShotValueError, match=r"of no class: .'cow'"):
        data.described({"cow": "a cow"})
    images, labels = pictures()
    again = kv.ImageDataset.from_arrays(
        np.stack(images), labels, classes=CLASSES, descriptions=texts
    )
    assert again.fingerprint == data.fingerprint
    assert kv.describe(again.take([0, 9])) == texts
    assert kv.describe(again.in_memory()) == texts
    for change in (rotated, inverted, textured, shuffled_patches):
        assert kv.describe(change(again)) == texts
    assert kv.describe(only_classes(again, ["owl", "cat"])) == {
        "owl": "a bird",
        "cat": "a small cat",
    }


@pytest.mark.parametrize("in_one_file", [True, False])
def test_descriptions_of_a_folder_travel_along(folder, tmp_path, in_one_file):
    shutil.copytree(folder, tmp_path / "zoo")
    texts = {"cat": "a small cat", "dog": "a dog", "owl": "a bird"}
    if in_one_file:
        (tmp_path / "zoo" / "descriptions.json").write_text(json.dumps(texts), "utf-8")
    for name, text in texts.items() if not in_one_file else ():
        (tmp_path / "zoo" / name / "class.txt").write_text(text, "utf-8")
    data = kv.load_dataset(tmp_path / "zoo")
    variants = [data.in_memory(), rotated(data), inverted(data), data.take([0, 9]).in_memory()]
    assert all(kv.describe(one) == texts for one in variants)
    part = only_classes(data, ["owl", "cat"])
    assert kv.describe(part.in_memory()) == {"owl": "a bird", "cat": "a small cat"}


def test_damaged_descriptions_are_told_when_they_are_asked_for(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "zoo")
    (tmp_path / "zoo" / "descriptions.json").write_text("[", "utf-8")
    data = kv.load_dataset(tmp_path / "zoo")
    with pytest.raises(KShotFileError, match=r"descriptions\.json"):
        kv.describe(data)


def test_columns_of_hugging_face():
    data = hugging_face()
    assert kv.ImageDataset.from_hf(data, image="picture", label="kind").classes == CLASSES
    with pytest.raises(KShotKeyError, match="'picture', 'kind'"):
        kv.ImageDataset.from_hf(data, image="photo")
    with pytest.raises(KShotValueError, match="2 columns are"):
        kv.ImageDataset.from_hf(hugging_face(twice=True))
    with pytest.raises(KShotValueError, match=r"image is not clear"):
        kv.ImageDataset.from_hf(data.remove_columns("picture"))
    with pytest.raises(KShotValueError, match=r"dataset\['train'\]"):
        kv.ImageDataset.from_hf({"train": data})
    stream = data.to_iterable_dataset()
    assert kv.ImageDataset.from_hf(stream).fingerprint == kv.load_dataset(data).fingerprint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (7, "name, a folder, a pair"),
        ((np.zeros((2, 8, 8), np.uint8),), "name, a folder, a pair"),
        (TensorDataset(torch.zeros(3, 3, 8, 8)), r"item 0 .* must be \(image, label\)"),
        (Pairs(change=lambda image: "no"), "PIL image, an array or a tensor; not str"),
        (Pairs(label=lambda c: [0, 1]), "item 0 .* a label must be a name or one whole number"),
        (Pairs(label=lambda c: c + 0.5), r"whole number; not 0.5"),
        (Pairs(label=lambda c: float("nan")), "whole number; not nan"),
        (Pairs(label=lambda c: None), "whole number; not None"),
        (Pairs(label=lambda c: 1 - c), "item 16 .* 0 or more; not -1, .* without a label"),
        (DataLoader(Pairs()), "is a DataLoader"),
        (Pairs(change=lambda image: np.full((4, 4), -0.5)), "item 0 .* transforms that normalise"),
        (Pairs(change=lambda image: torch.full((3, 4, 4), 7.0)), r"\[0, 1\]"),
        (TensorDataset(torch.zeros(0, 3, 8, 8), torch.zeros(0)), "is empty"),
    ],
)
def test_what_is_no_data_set(data, said):
    with pytest.raises(KShotValueError, match=said):
        kv.load_dataset(data)
