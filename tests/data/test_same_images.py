"""The same images are the same episodes and the same table, whatever they are read from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.datasets import ImageFolder
from torchvision.transforms import ToTensor

import kshot_viz as kv
from kshot_viz.errors import KShotValueError

pytestmark = pytest.mark.slow

CLASSES, EACH, SIDE = ("cat", "dog", "owl"), 14, 12
# The rest of a row is time and where the data came from.
COLUMNS = ["method", "episode", "shot", "lr", "accuracy", "support_loss", "predicted", "path"]


def written(root: Path, mode: str, ending: str) -> Path:
    """Write images of each class, smooth so that JPEG keeps them apart."""
    rng = np.random.default_rng(0)
    for c, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(EACH):
            small = Image.fromarray(rng.integers(40 * c, 40 * c + 150, (4, 4, 3), dtype=np.uint8))
            image = small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert(mode)
            image.save(root / name / f"{i:02}.{ending}")
    return root


def doors(folder: Path) -> dict[str, kv.ImageDataset]:
    """Read the same images through each door."""
    datasets = pytest.importorskip("datasets")
    files = sorted(folder.rglob("*.*"))
    labels = [file.parent.name for file in files]
    names = sorted(set(labels))
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    rows = {"image": list(map(str, files)), "label": [names.index(one) for one in labels]}
    stacked = np.stack([np.asarray(Image.open(file)) for file in files])
    return {
        "folder": kv.load_dataset(folder),
        "folder in memory": kv.load_dataset(folder).in_memory(),
        "arrays": kv.load_dataset((stacked, labels)),
        "files of torchvision": kv.load_dataset(ImageFolder(str(folder))),
        "torchvision, transformed": kv.load_dataset(ImageFolder(str(folder), ToTensor())),
        "hugging face": kv.load_dataset(datasets.Dataset.from_dict(rows, features=features)),
    }


def network(channels: str) -> kv.Backbone:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = (
            nn.Conv2d(len(channels), 6, 3),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3),
            nn.ReLU(),
            nn.Flatten(),
        )
        module = nn.Sequential(*layers, nn.Linear(8 * (SIDE - 4) ** 2, 3))
        how = kv.Preprocess(size=SIDE, channels=channels, mean=(0.5,), std=(0.5,))
        return kv.Backbone(module, preprocess=how)


def episodes_of(data: kv.ImageDataset) -> list[kv.Episode]:
    return kv.sample_episodes(data, way=3, shot=1, query=3, n=2, min_query=3)


def drawn(data: kv.ImageDataset) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(one.support, one.query) for one in episodes_of(data)]


def table(data: kv.ImageDataset, channels: str) -> pd.DataFrame:
    grid = kv.TuningGrid((1e-3, 1e-2), (0.1,), (0.1,), steps=(2,), extend=0)
    found = kv.compare_methods(
        network(channels),
        data,
        episodes_of(data),
        methods=("head_only", "plain", "grouped"),
        grid=grid,
        n_val=1,
        race=False,
    )
    return found.frame[COLUMNS].reset_index(drop=True)


@pytest.mark.parametrize(
    ("mode", "ending", "seen"),
    [("RGB", "png", "RGB"), ("L", "png", "RGB"), ("L", "png", "L"), ("RGB", "jpg", "RGB")],
)
def test_all_doors_lead_to_the_same_episodes_and_the_same_table(tmp_path, mode, ending, seen):
    found = doors(written(tmp_path / "zoo", mode, ending))
    of_folder = found.pop("folder")
    expected, episodes = table(of_folder, seen), drawn(of_folder)
    assert set(expected["method"]) == {"head_only", "plain", "grouped"}
    for name, data in found.items():
        assert data.classes == CLASSES, name
        assert data.digests == of_folder.digests, name
        assert drawn(data) == episodes, name
    for name in ("arrays", "torchvision, transformed", "hugging face"):
        data = found[name]
        # Three equal channels weighted to one differ from it in the last bit.
        exact = seen == "RGB"
        pd.testing.assert_frame_equal(table(data, seen), expected, obj=name, check_exact=exact)


def test_a_folder_is_known_by_its_files_and_drawn_from_by_its_pixels(tmp_path):
    first = kv.load_dataset(written(tmp_path / "one", "RGB", "png"))
    for file in (tmp_path / "one").rglob("*.png"):
        again = tmp_path / "two" / file.relative_to(tmp_path / "one").with_suffix(".bmp")
        again.parent.mkdir(parents=True, exist_ok=True)
        Image.open(file).save(again)
    second = kv.load_dataset(tmp_path / "two")
    assert first.fingerprint != second.fingerprint
    assert first.pixel_fingerprint == second.pixel_fingerprint
    assert drawn(first) == drawn(second)
    with pytest.raises(KShotValueError, match="belongs to 'one' with fingerprint"):
        episodes_of(first)[0].split(second)
    some = [4, 2, 20]
    assert first.take(some).pixel_fingerprint == second.take(some).pixel_fingerprint
    assert first.take(some).pixel_fingerprint != first.take(some[::-1]).pixel_fingerprint


def test_arrays_are_drawn_from_by_their_fingerprint_unless_grey_images_have_three_channels():
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 255, (30, 6, 6, 3), dtype=np.uint8)
    targets = np.arange(30) % 3
    for images in (colour, colour[..., :1]):
        data = kv.ImageDataset.from_arrays(images, targets)
        assert data.pixel_fingerprint == data.fingerprint
    copied = kv.ImageDataset.from_arrays(np.repeat(colour[..., :1], 3, axis=3), targets)
    assert copied.pixel_fingerprint == data.fingerprint != copied.fingerprint


def test_episodes_of_another_split_leave_nothing_to_validate_on(tmp_path):
    data = kv.load_dataset(written(tmp_path / "zoo", "RGB", "png"))
    by_files = replace(data, pixel_fingerprint=data.fingerprint)
    assert drawn(by_files) != drawn(data)
    assert kv.data.episodes.validation_episodes(data, episodes_of(data))
    with pytest.raises(KShotValueError, match="are in tuning and in test episodes"):
        kv.data.episodes.validation_episodes(data, episodes_of(by_files))
