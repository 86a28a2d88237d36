from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.models.inputs.example import apply_preprocess, as_preprocess, read_preprocess
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess


def images(n=2, h=9, w=12, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, channels), dtype=np.uint8)


preprocesses = st.builds(
    Preprocess,
    size=st.none() | st.integers(1, 20),
    resize=st.sampled_from(["stretch", "crop"]),
    channels=st.sampled_from(["RGB", "BGR", "L"]),
    scale=st.sampled_from([1.0, 255.0]),
    mean=st.floats(-200, 200).map(lambda x: (x,)),
    std=st.floats(0.1, 200).map(lambda x: (x,)),
    antialias=st.booleans(),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    invert=st.booleans(),
)


@given(preprocesses)
def test_json_round_trip(preprocess):
    assert Preprocess.from_json(preprocess.to_json()) == preprocess
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess
    assert Preprocess.from_json(json.dumps(preprocess.to_dict())) == preprocess


@given(preprocesses, st.integers(1, 3), st.integers(1, 25), st.integers(1, 25), st.booleans())
def test_the_output_has_the_size_and_channels_asked_for(preprocess, n, h, w, grey):
    out = preprocess(images(n, h, w, 1 if grey else 3))
    side = (h, w) if preprocess.size is None else (preprocess.size, preprocess.size)
    assert out.shape == (n, 1 if preprocess.channels == "L" else 3, *side)
    assert out.dtype == torch.float32
    assert bool(torch.isfinite(out).all())


def test_unit_leaves_pixels_as_they_are():
    pixels = images()
    expected = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(RECIPES["unit"](pixels), expected)


def test_caffe_is_bgr_minus_the_mean():
    pixels = images(h=224, w=224)
    recipe = RECIPES["caffe_bgr"]
    raw = Preprocess(size=224, resize="crop", short_side=256)(pixels)
    mean = torch.tensor(recipe.mean).view(1, 3, 1, 1)
    torch.testing.assert_close(recipe(pixels), raw[:, [2, 1, 0]] * 255 - mean, atol=1e-3, rtol=1e-5)


def test_colour_becomes_grey_by_luma_and_grey_is_repeated():
    red = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    red[..., 0] = 255
    grey = Preprocess(channels="L")(red)
    torch.testing.assert_close(grey, torch.full((1, 1, 2, 2), 0.299))
    colour = Preprocess()(grey)
    assert colour.shape == (1, 3, 2, 2)
    assert torch.equal(colour[:, 0], colour[:, 2])


def test_mean_and_deviation():
    out = Preprocess(mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))(torch.ones(1, 3, 2, 2))
    torch.testing.assert_close(out[0, :, 0, 0], torch.tensor([1.0, 3.0, 0.5]))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_crop_is_torchvisions(interpolation):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    unit = torch.rand(2, 3, 31, 47, generator=torch.Generator().manual_seed(0))
    theirs = ImageClassification(
        crop_size=16, resize_size=20, interpolation=InterpolationMode(interpolation)
    )
    ours = Preprocess(
        size=16,
        resize="crop",
        short_side=20,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        interpolation=interpolation,
    )
    inside = (unit > 0.2) & (unit < 0.8)
    assert inside.any()
    calm = 0.4 + 0.2 * unit  # away from 0 and 1, where we clip what bicubic overshoots
    torch.testing.assert_close(ours(calm), theirs(calm), atol=1e-5, rtol=1e-5)


def test_bicubic_never_leaves_the_range():
    edges = torch.zeros(1, 3, 16, 16)
    edges[..., 8:] = 1.0
    out = Preprocess(size=40, interpolation="bicubic")(edges)
    assert 0.0 <= float(out.min()) <= float(out.max()) <= 1.0


def test_images_of_different_sizes_become_one_batch():
    pair = [Image.new("RGB", (10, 20), "red"), Image.new("L", (31, 17), 128)]
    assert Preprocess(size=8, resize="crop")(pair).shape == (2, 3, 8, 8)
    with pytest.raises(KShotValueError, match="different sizes"):
        Preprocess()(pair)


def test_rows_of_features_are_refused():
    with pytest.raises(KShotValueError, match="preprocess=None"):
        Preprocess()(np.zeros((3, 5), dtype=np.float32))


def test_with_size_keeps_the_proportion():
    assert RECIPES["imagenet"].with_size(112).short_side == 128
    assert RECIPES["glyphs"].with_size(56) == Preprocess(size=56, channels="L")
    assert RECIPES["imagenet"].with_size(None).size is None


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"size": 0}, "size"),
        ({"size": 2.5}, "size"),
        ({"size": True}, "size"),
        ({"size": 8, "short_side": 7}, "short_side"),
        ({"resize": "squash"}, "resize"),
        ({"channels": "CMYK"}, "channels"),
        ({"scale": 2.0}, "scale"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"mean": (1.0, 2.0)}, "mean"),
        ({"mean": 1.0}, "mean"),
        ({"channels": "L", "std": (1.0, 1.0, 1.0)}, "std"),
        ({"std": (0.0,)}, "std"),
        ({"std": (float("nan"),)}, "std"),
        ({"mean": (float("inf"),)}, "mean"),
        ({"mean": "abc"}, "mean"),
        ({"mean": (10**400,)}, "mean"),
        ({"invert": "no"}, "invert"),
        ({"antialias": "no"}, "antialias"),
    ],
)
def test_bad_fields_are_named(values, word):
    with pytest.raises(KShotValueError, match=f"`{word}`"):
        Preprocess(**values)


def test_unknown_keys_and_broken_json():
    with pytest.raises(KShotValueError, match="colour"):
        Preprocess.from_dict({"colour": "RGB"})
    with pytest.raises(KShotFileError, match="JSON"):
        Preprocess.from_json(RECIPES["imagenet"].to_json()[:-20])
    with pytest.raises(KShotFileError, match="schema 99"):
        Preprocess.from_json('{"schema": 99, "preprocess": {}}')
    with pytest.raises(KShotFileError, match="object"):
        Preprocess.from_json("[1]")


def test_every_way_to_give_a_preprocess(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(RECIPES["imagenet"].to_json())
    assert as_preprocess("imagenet") is RECIPES["imagenet"]
    assert as_preprocess(path) == as_preprocess(str(path)) == RECIPES["imagenet"]
    assert as_preprocess(None) is None
    assert as_preprocess(torch.neg) is torch.neg
    with pytest.raises(KShotKeyError, match="caffe_bgr"):
        as_preprocess("cafe_bgr")
    with pytest.raises(KShotValueError, match="recipe"):
        as_preprocess(3)


def test_a_preprocess_file_is_named_in_its_errors(tmp_path):
    with pytest.raises(KShotFileError, match=r"absent\.json"):
        read_preprocess(tmp_path / "absent.json")
    path = tmp_path / "cut.json"
    path.write_text(RECIPES["imagenet"].to_json()[:30])
    with pytest.raises(KShotFileError, match=r"cut\.json"):
        read_preprocess(path)
    path.write_text('{"size": -1}')
    with pytest.raises(KShotValueError, match=r"cut\.json.*`size`"):
        read_preprocess(path)


def test_a_function_gets_one_batch_or_one_image_at_a_time():
    seen = []

    def shrink(batch):
        seen.append(tuple(batch.shape))
        return batch[:, :, :4, :4]

    apply_preprocess(shrink, images(3, 9, 9))
    apply_preprocess(shrink, [Image.new("RGB", (5, 6)), Image.new("RGB", (8, 7))])
    assert seen == [(3, 3, 9, 9), (1, 3, 6, 5), (1, 3, 7, 8)]


def test_what_a_function_returns_is_checked():
    with pytest.raises(KShotValueError, match="tensor of 2 images"):
        apply_preprocess(lambda batch: batch[:1], images(2))
    with pytest.raises(KShotValueError, match="ndarray"):
        apply_preprocess(lambda batch: batch.numpy(), images(2))
    pair = [Image.new("RGB", (5, 6)), Image.new("RGB", (8, 7))]
    for nothing in (None, torch.neg):
        with pytest.raises(KShotValueError, match="different shapes"):
            apply_preprocess(nothing, pair)


def test_no_preprocess_passes_rows_through():
    rows = np.array([[1.5, -2.0]], dtype=np.float32)
    assert apply_preprocess(None, rows).tolist() == rows.tolist()


def test_inverting_swaps_black_and_white():
    pixels = images(h=20, w=30)
    for how in (RECIPES["unit"], RECIPES["glyphs"], Preprocess(size=8, resize="crop", mean=(0.4,))):
        swapped = Preprocess.from_dict(how.to_dict() | {"invert": True})
        torch.testing.assert_close(swapped(pixels), how(255 - pixels), atol=1e-5, rtol=1e-5)


def test_one_that_does_not_invert_is_written_as_before_there_was_such_a_field():
    how = RECIPES["glyphs"]
    assert "invert" not in repr(how) + how.to_json()
    assert repr(how).startswith("Preprocess(size=28, resize='stretch', short_side=None, channels=")
    assert repr(how).endswith("antialias=True, interpolation='bilinear')")
    swapped = Preprocess(invert=True)
    assert eval(repr(swapped)) == swapped
    assert swapped != Preprocess()


def test_json_nested_without_end_is_a_file_error():
    with pytest.raises(KShotFileError, match="JSON"):
        Preprocess.from_json("[" * 100_000)
