"""The tasks of the map: data, networks, and numbers of shots."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import kshot_viz as kv

ALPHABETS = ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin")
PHOTOS = {
    "webcam": "office_caltech10/webcam",
    "amazon": "office_caltech10/amazon",
    "cartoon": "pacs_cartoon",
}
# Pixels of a side of a photograph, of which a run at full size would take a second and more.
SIZE = 64
# Images of each digit that tasks of MNIST and USPS are drawn from.
PER_CLASS = 200


@cache
def glyphnet() -> kv.Backbone:
    """Return the bundled network, which knows letters of print only."""
    return kv.load_backbone("glyphnet")


def handwriting(name: str, data: kv.ImageDataset, shots: tuple[int, ...], n: int) -> kv.StudyTask:
    """Return a task of the bundled network; printed letters form the groups."""
    source = kv.load_dataset("glyphs", per_class=1)
    named = replace(data, name=name)
    return kv.StudyTask(glyphnet(), named, shots=shots, way=10, episodes=n, source=source)


def arrays(name: str, folder: Path) -> kv.ImageDataset:
    """Return MNIST or USPS, some images of each class."""
    with np.load(folder / f"{name}.npz") as file:
        images, targets = file["x_train"], file["y_train"]
    kept = [np.flatnonzero(targets == label)[:PER_CLASS] for label in range(10)]
    some = np.concatenate(kept)
    return kv.ImageDataset.from_arrays(images[some], targets[some], name=name)


def alphabet(name: str, folder: Path) -> kv.ImageDataset:
    """Return the characters of one alphabet, light on dark like the letters of the network."""
    images, labels = [], []
    with zipfile.ZipFile(folder / "omniglot_background_small1.zip") as file:
        for path in sorted(file.namelist()):
            parts = path.split("/")
            if path.endswith(".png") and parts[1] == name:
                drawn = Image.open(io.BytesIO(file.read(path))).convert("L")
                small = drawn.resize((28, 28), Image.Resampling.BOX)
                images.append(255 - np.asarray(small))
                labels.append(parts[2])
    return kv.ImageDataset.from_arrays(np.stack(images), labels, name=name)


@cache
def photo_network(name: str, folder: Path) -> kv.Backbone:
    """Return a network of photographs."""
    if name == "mobilenet_v1":
        path = folder / "mobilenet_v1.py"
        spec = importlib.util.spec_from_file_location("mobilenet_v1", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        network = module.load(folder / "mobilenet_v1_0.5_imagenet.safetensors")
        look = kv.Preprocess(size=2 * SIZE, mean=(0.5,) * 3, std=(0.5,) * 3)
        return kv.Backbone(network, head="fc", preprocess=look, name=name)
    weights = folder / "squeezenet1_1_imagenet_features.npz" if name == "squeezenet1_1" else None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = kv.load_backbone("squeezenet1_1", weights=weights and str(weights), size=SIZE)
    if weights is None:
        found = kv.Backbone(
            found.module, head=found.head_name, preprocess=found.preprocess, name=name
        )
    return found


def photographs(data: str, network: str, folder: Path, n: int) -> kv.StudyTask:
    """Return a task of photographs; photographs of ImageNet form the groups."""
    source = kv.load_dataset(str(folder / "imagenet_samples"), labelled=False)
    found = replace(kv.load_dataset(str(folder / PHOTOS[data])), name=data)
    backbone = photo_network(network, folder)
    return kv.StudyTask(backbone, found, shots=(1, 5), episodes=n, source=source)


def tasks(folder: Path, n: int) -> Iterator[tuple[str, Callable[[], kv.StudyTask]]]:
    """Yield the name of each task and what loads it."""
    every = (1, 5, 20)
    yield "digits", lambda: handwriting("digits", kv.load_dataset("digits"), every, n)
    for name in ("mnist", "usps"):
        yield name, partial(_handwriting, arrays, name, folder, every, n)
    for name in ALPHABETS:
        yield name, partial(_handwriting, alphabet, name, folder, (1, 5), n)
    for network in ("squeezenet1_1", "mobilenet_v1"):
        for data in PHOTOS:
            yield f"{data} {network}", partial(photographs, data, network, folder, n)
    control = partial(photographs, "webcam", "random_squeezenet", folder, n)
    yield "webcam random_squeezenet", control


def _handwriting(
    load: Callable[[str, Path], kv.ImageDataset],
    name: str,
    folder: Path,
    shots: tuple[int, ...],
    n: int,
) -> kv.StudyTask:
    return handwriting(name, load(name, folder), shots, n)
