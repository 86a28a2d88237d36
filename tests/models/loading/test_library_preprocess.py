"""A Preprocess does to photographs what the library of the network does to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import kshot_viz as kv
from kshot_viz.errors import KShotValueError
from kshot_viz.models.loading import open_clip_door, timm_door, transformers_door

SIZES = ((120, 90), (90, 120), (64, 64), (301, 200), (77, 223), (256, 256))


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """Smooth colours with edges and grain, in several sizes and shapes."""
    rng, made = np.random.default_rng(0), []
    for width, height in SIZES:
        y, x = np.mgrid[:height, :width] / 37.0
        waves = [np.sin(x * a + y * b) for a, b in rng.uniform(0.3, 3, (3, 2))]
        pixels = 128 + 70 * np.stack(waves, axis=-1) + rng.normal(0, 12, (height, width, 3))
        pixels[height // 3 : height // 2, width // 4 : width // 2] = rng.uniform(0, 255, 3)
        made.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    return made


def largest_difference(preprocess: kv.Preprocess, images, theirs) -> float:
    """Return the largest difference in steps of a pixel, 255 from black to white."""
    std = torch.tensor(preprocess.std).view(-1, 1, 1)
    return max(
        float(((preprocess([image])[0] - theirs(image)) * std).abs().max()) * 255
        for image in images
    )


@pytest.mark.parametrize(
    "config",
    [
        {"crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "center"},
        {"crop_pct": 1.0, "interpolation": "bilinear", "crop_mode": "center"},
        {"crop_pct": 0.875, "interpolation": "bicubic", "crop_mode": "squash"},
        {"crop_pct": 1.0, "interpolation": "bicubic", "crop_mode": "squash"},
    ],
)
def test_timm(photographs, config):
    timm = pytest.importorskip("timm")
    config |= {"input_size": (3, 56, 56), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
    theirs = timm.data.create_transform(**config)
    ours = timm_door.preprocess_of(config)
    assert largest_difference(ours, photographs, theirs) <= 2


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("ViTImageProcessor", {"size": {"height": 48, "width": 48}}),
        (
            "CLIPImageProcessor",
            {"size": {"shortest_edge": 56}, "crop_size": {"height": 48, "width": 48}},
        ),
        ("BitImageProcessor", {"size": {"shortest_edge": 64}, "crop_size": 56}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 56}, "crop_pct": 0.875}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    ],
)
def test_transformers(photographs, kind, given):
    transformers = pytest.importorskip("transformers")
    processor = getattr(transformers, kind)(**given)
    ours = transformers_door.preprocess_of(processor.to_dict())

    def theirs(image):
        return processor(images=image, return_tensors="pt")["pixel_values"][0]

    assert largest_difference(ours, photographs, theirs) <= 2


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_open_clip(photographs, mode, interpolation):
    open_clip = pytest.importorskip("open_clip")
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = PreprocessCfg(size=48, resize_mode=mode, interpolation=interpolation)
    ours = open_clip_door.preprocess_of(vars(config) | {"size": 48})
    assert largest_difference(ours, photographs, image_transform_v2(config, False)) <= 2
    assert open_clip.__version__


def test_what_a_preprocess_cannot_say_is_an_error():
    config = {"input_size": (3, 56, 64), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    with pytest.raises(KShotValueError, match="3 x 56 x 64"):
        timm_door.preprocess_of(config)
    with pytest.raises(KShotValueError, match="border"):
        timm_door.preprocess_of(config | {"input_size": (3, 56, 56), "crop_mode": "border"})
    with pytest.raises(KShotValueError, match="'height': 48"):
        transformers_door.preprocess_of({"size": {"height": 48, "width": 60}})
    with pytest.raises(KShotValueError, match="longest"):
        open_clip_door.preprocess_of({"size": 48, "resize_mode": "longest"})
