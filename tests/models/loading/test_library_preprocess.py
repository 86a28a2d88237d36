"""A Preprocess does to photographs what the library of the network does to them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers_networks import saved_network

import kshot_viz as kv
from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.models.loading import open_clip_door, timm_door, transformers_door
from kshot_viz.models.loading.followed import followed

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


# -- at loading, a Preprocess is compared with what its library does ------------------------------


def timm_config(**settings):
    return {
        "input_size": (3, 56, 56),
        "crop_pct": 0.9,
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.25, 0.3),
        "interpolation": "bicubic",
    } | settings


def of_timm(**settings) -> kv.Preprocess:
    timm = pytest.importorskip("timm")
    return timm_door._preprocess(timm, timm_config(**settings))


def of_transformers(kind: str, **settings) -> kv.Preprocess:
    transformers = pytest.importorskip("transformers")
    processor = getattr(transformers, kind)(**settings)
    return transformers_door.followed_processor(processor)


def of_open_clip(**settings) -> kv.Preprocess:
    pytest.importorskip("open_clip")
    from open_clip.transform import PreprocessCfg

    return open_clip_door._preprocess(vars(PreprocessCfg(size=48, **settings)))


SQUARE = {"size": {"height": 48, "width": 48}}


def test_what_can_be_followed_is_taken():
    assert of_timm().short_side == 62
    assert of_timm(input_size=(1, 56, 56), mean=(0.5,), std=(0.2,)).channels == "L"
    assert of_transformers("ViTImageProcessor", **SQUARE).size == 48
    assert of_transformers("ViTImageProcessor", **SQUARE, do_rescale=False).scale == 255
    assert of_open_clip(interpolation="bilinear").interpolation == "bilinear"


@pytest.mark.parametrize(
    ("make", "differs"),
    [
        (lambda: of_timm(interpolation="lanczos"), "of 255: its crop or its interpolation"),
        (lambda: of_timm(interpolation="random"), "cannot be compared"),
        (lambda: of_open_clip(resize_mode="longest"), "resize mode 'longest'"),
        (lambda: of_transformers("ViTImageProcessor", **SQUARE, resample=0), "its interpolation"),
        (
            lambda: of_transformers("ViTImageProcessor", **SQUARE, rescale_factor=1 / 127.5),
            "its range, mean or deviation",
        ),
        (
            lambda: of_transformers(
                "LevitImageProcessor", size={"shortest_edge": 48}, crop_size=48
            ),
            "its crop",
        ),
        (
            lambda: of_transformers(
                "DetrImageProcessor", size={"shortest_edge": 48, "longest_edge": 99}, do_pad=False
            ),
            r"it makes \(3, 48, 58\) of a picture",
        ),
        (
            lambda: of_transformers(
                "CLIPImageProcessor",
                size={"shortest_edge": 48},
                crop_size={"height": 56, "width": 56},
            ),
            "`short_side` must be at least `size`",
        ),
    ],
)
def test_what_cannot_be_followed_says_what_differs_and_asks_for_a_preprocess(make, differs):
    with pytest.raises(KShotValueError, match=f"(?s){differs}.*give `preprocess=`"):
        make()


def test_channels_in_the_other_order_are_told():
    ours = kv.Preprocess(size=32, mean=(0.1, 0.5, 0.9))
    other = kv.Preprocess(size=32, channels="BGR", mean=(0.9, 0.5, 0.1))
    with pytest.raises(KShotValueError, match="its channels are in the other order"):
        followed(ours, lambda image: other([image])[0], "the library")
    assert followed(ours, lambda image: ours([image])[0], "the library") is ours


def test_a_preprocess_that_is_given_replaces_one_that_cannot_be_followed(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = saved_network("resnet", tmp_path)
    transformers.ViTImageProcessor(**SQUARE, resample=1).save_pretrained(folder)
    with pytest.raises(
        KShotValueError, match=r"transformers prepares images .* give `preprocess=`"
    ):
        kv.load_backbone(str(folder))
    mine = kv.Preprocess(size=48)
    assert kv.load_backbone(str(folder), preprocess=mine).preprocess == mine


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


def test_a_folder_without_a_processor_says_so_and_a_damaged_one_is_refused(tmp_path):
    folder = saved_network("resnet", tmp_path)
    file = folder / "preprocessor_config.json"
    file.write_text(file.read_text("utf-8")[:40], "utf-8")
    with pytest.raises(KShotFileError, match=r"image processor .* could not be read"):
        kv.load_backbone(str(folder))
    assert kv.load_backbone(str(folder), preprocess="imagenet").preprocess is not None
    file.unlink()
    with pytest.warns(UserWarning, match="no image processor"):
        assert kv.load_backbone(str(folder)).preprocess is None


def test_code_that_comes_with_a_network_is_never_run(tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks whether to run code"))
    folder = saved_network("resnet", tmp_path)
    (folder / "evil.py").write_text("raise SystemExit", "utf-8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    own = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config | own), "utf-8")
    with pytest.raises(KShotFileError, match=r"code of its own.*kv.Backbone\(module\)"):
        kv.load_backbone(str(folder))


def test_half_precision_becomes_float32(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = saved_network("resnet", tmp_path)
    half = transformers.ResNetForImageClassification.from_pretrained(folder).bfloat16()
    half.save_pretrained(folder)
    loaded = kv.load_backbone(str(folder))
    assert {one.dtype for one in loaded.module.parameters()} == {torch.float32}
