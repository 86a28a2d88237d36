"""Arrays, data sets of PyTorch and of Hugging Face are the same as a folder of the same images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

import kshot_viz as kv
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.torch_sets import LazyImages
from kshot_viz.errors import KShotKeyError, KShotValueError

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


def table(data: kv.ImageDataset) -> list[float]:
    backbone = kv.load_backbone("squeezenet1_1", weights=None, size=32)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=3, n=2, val_share=0, min_query=3)
    config = kv.FinetuneConfig(lr=1e-3, steps=2)
    rows = kv.evaluate(backbone, data, episodes, [kv.Candidate(None, config)], executor="serial")
    return [*rows["accuracy"], *(one.support for one in episodes), *(one.query for one in episodes)]


def test_all_doors_lead_to_the_same_episodes_and_the_same_table(folder):
    images, labels = pictures()
    of_folder = kv.load_dataset(folder).in_memory()
    found = {
        "arrays": kv.load_dataset((np.stack(images), [CLASSES[c] for c in labels])),
        "torch": kv.load_dataset(Pairs()),
        "stream": kv.ImageDataset.from_torch(Stream(), classes=CLASSES),
        "hugging face": kv.load_dataset(hugging_face()),
    }
    expected = table(of_folder)
    for name, data in found.items():
        assert data.fingerprint == of_folder.fingerprint, name
        assert data.classes == CLASSES
        assert table(data) == expected


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
        (TensorDataset(torch.zeros(3, 3, 8, 8)), r"must be \(image, label\)"),
        (Pairs(change=lambda image: "no"), "PIL image, an array or a tensor; not str"),
        (Pairs(label=lambda c: [0, 1]), "a label must be a name or one whole number"),
        (Pairs(change=lambda image: torch.full((3, 4, 4), 7.0)), r"\[0, 1\]"),
        (TensorDataset(torch.zeros(0, 3, 8, 8), torch.zeros(0)), "is empty"),
    ],
)
def test_what_is_no_data_set(data, said):
    with pytest.raises(KShotValueError, match=said):
        kv.load_dataset(data)
