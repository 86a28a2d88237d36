"""The tasks of the map: data, networks, and numbers of shots."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from recorded_photos import by_files

import kshot_viz as kv

ALPHABETS = ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin")
PHOTOS = {
    "webcam": "office_caltech10/webcam",
    "amazon": "office_caltech10/amazon",
    "cartoon": "pacs_cartoon",
}
# Pixels of a side of a photograph, of which a run at full size would take a second and more.
SIZE = 64
# Step sizes of heads that are not linear. On validation episodes of handwriting no method did best
# with a tenth.
HEAD_LRS = (0.001, 0.01)
# Of linear heads, in units of the features.
FEATURE_STEPS = (1.0, 10.0)
# Photographs on a network that has learned nothing.
CONTROL = "webcam random_squeezenet"
# Images of each digit that tasks of MNIST and USPS are drawn from.
PER_CLASS = 200


def grid(
    head_lrs: Sequence[float] | None = None, feature_steps: Sequence[float] | None = None
) -> kv.TuningGrid:
    """Return the settings to choose from, coarser than usual, to fit into a night.

    They are six settings of most methods for two step sizes of the head, each at two step counts.
    Where ``head_lrs`` alone are given, linear heads take them too, the same on every network.
    """
    if head_lrs is None and feature_steps is None:
        feature_steps = FEATURE_STEPS
    head_lrs = head_lrs or HEAD_LRS
    return kv.TuningGrid(
        lrs=(3e-4, 3e-3, 3e-2),
        head_lrs=tuple(head_lrs),
        head_only_lrs=tuple(sorted({*head_lrs, 0.1, 1.0})),
        feature_steps=tuple(feature_steps or ()),
        steps=(5, 20),
        others={"decay": (0.65,), "penalty": (0.1,), "alpha": (1.0,), "dimension": (64, 1024)},
    )


@cache
def glyphnet() -> kv.Backbone:
    """Return the bundled network, which knows letters of print only."""
    return kv.load_backbone("glyphnet")


def handwriting(
    name: str, load: Callable[[], kv.ImageDataset], shots: tuple[int, ...], n: int
) -> kv.StudyTask:
    """Return a task of the bundled network; printed letters form the groups."""
    source = kv.load_dataset("glyphs", per_class=1)
    data = replace(load(), name=name)
    # A task of many images has a name of its own, so that it can be run alone.
    called = f"{name} 20" if 20 in shots else name
    return kv.StudyTask(
        glyphnet(), data, shots=shots, way=10, episodes=n, source=source, name=called
    )


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
        look = kv.Preprocess(size=SIZE, mean=(0.5,) * 3, std=(0.5,) * 3)
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
    found = replace(by_files(kv.load_dataset(str(folder / PHOTOS[data]))), name=data)
    backbone = photo_network(network, folder)
    called = f"{data} {network}"
    return kv.StudyTask(backbone, found, shots=(1, 5), episodes=n, source=source, name=called)


def tasks(
    folder: Path, n: int, n_photos: int | None = None
) -> Iterator[tuple[str, Callable[[], kv.StudyTask]]]:
    """Yield the name of each task and what loads it.

    ``n`` are the test episodes of handwriting, ``n_photos`` those of photographs (``n`` by
    default), a run of which takes ten times as long.
    """
    n_photos = n_photos or n
    yield "digits", partial(handwriting, "digits", partial(kv.load_dataset, "digits"), (1, 5), n)
    for name in ("mnist", "usps"):
        yield name, partial(handwriting, name, partial(arrays, name, folder), (1, 5), n)
    for name in ALPHABETS:
        yield name, partial(handwriting, name, partial(alphabet, name, folder), (1, 5), n)
    for name in ("mnist", "usps"):
        yield f"{name} 20", partial(handwriting, name, partial(arrays, name, folder), (20,), n)
    for network in ("squeezenet1_1", "mobilenet_v1"):
        for data in PHOTOS:
            yield f"{data} {network}", partial(photographs, data, network, folder, n_photos)
    yield CONTROL, partial(photographs, *CONTROL.split(), folder, n_photos)
