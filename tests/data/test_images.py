from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.images import image_count, image_digests, pixels, slice_images, to_unit
from kshot_viz.errors import KShotFileError, KShotValueError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def unit(images: Any) -> torch.Tensor:
    result = to_unit(images)
    assert isinstance(result, torch.Tensor)
    return result


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 4), h=st.integers(4, 9), w=st.integers(4, 9), c=st.sampled_from([1, 3]))
def test_all_forms_of_the_same_batch_agree(n: int, h: int, w: int, c: int) -> None:
    array = noise(n, h, w, c)
    reference = unit(array)
    assert reference.shape == (n, c, h, w)
    assert reference.dtype == torch.float32
    assert reference.is_contiguous()
    pils = [Image.fromarray(a[..., 0] if c == 1 else a) for a in array]
    data = ImageDataset.from_arrays(array, [0] * n, classes=["x"], name="x")
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    for form in (pils, tuple(pils), data, data.images, tensor, list(array), reference):
        assert torch.equal(unit(form), reference)
    assert torch.equal(unit(reference.numpy().astype(np.float64)), reference)
    assert torch.equal(unit(list(reference)), reference)


def test_files_are_images_by_their_paths(tmp_path: Path) -> None:
    array = noise(3, 5, 4, 3)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, array, strict=True):
        Image.fromarray(image).save(path)
    for form in (paths, [str(path) for path in paths], [paths[0], *array[1:]]):
        assert torch.equal(unit(form), unit(array))
        assert image_digests(form) == image_digests(array)
    with pytest.raises(KShotFileError, match=r"cannot read the image .*missing\.png"):
        unit([tmp_path / "missing.png"])


def test_a_column_of_paths_is_a_list_of_them_in_its_order(tmp_path: Path) -> None:
    array = noise(3, 5, 4, 3)
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path, image in zip(paths, array, strict=True):
        Image.fromarray(image).save(path)
    # The labels of rows that were shuffled are no positions.
    shuffled = pd.Series(paths, index=[2, 0, 1])
    for form in (shuffled, np.array(paths), np.array(paths, dtype=object), tuple(paths)):
        assert torch.equal(unit(form), unit(array))
        assert image_digests(form) == image_digests(array)
        assert slice_images(form, 1, 3) == ImageFiles(tuple(paths[1:]))
    with pytest.raises(KShotValueError, match=r"not str\. Of one image make a list"):
        unit(paths[0])


def test_a_mask_selects_files_as_it_selects_rows() -> None:
    files = ImageFiles(("a", "b", "c"))
    assert files[np.array([False, True, True])] == ImageFiles(("b", "c"))
    assert files[np.array([2, 0])] == ImageFiles(("c", "a"))
    with pytest.raises(IndexError, match="a mask of 3 images"):
        files[np.array([True, False])]


def test_grey_without_channel_axis() -> None:
    array = noise(2, 4, 5)
    assert torch.equal(unit(array), unit(array[..., None]))


def test_different_sizes_give_a_list() -> None:
    result = to_unit([Image.new("RGB", (4, 5)), Image.new("L", (6, 5), 255)])
    assert isinstance(result, list)
    assert [tuple(r.shape) for r in result] == [(3, 5, 4), (3, 5, 6)]
    assert to_unit(result)[1].max() == 1


def test_grey_beside_colour_is_repeated() -> None:
    assert unit([Image.new("RGB", (4, 4)), Image.new("L", (4, 4), 255)]).shape == (2, 3, 4, 4)


def test_feature_rows_pass_unchanged() -> None:
    rows = np.array([[-5.0, 300.0]])
    assert torch.equal(unit(rows), torch.tensor([[-5.0, 300.0]]))


def test_rounding_outside_the_range_is_clamped() -> None:
    assert unit(torch.full((1, 1, 4, 4), 1.0005)).max() == 1


def test_the_callers_batch_is_not_changed() -> None:
    frozen = noise(2, 4, 4, 3)
    frozen.setflags(write=False)
    before = frozen.copy()
    unit(frozen)
    np.testing.assert_array_equal(frozen, before)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (torch.full((1, 3, 4, 4), 255.0), "divide by 255"),
        (torch.full((1, 3, 4, 4), -1.0), "before normalisation"),
        (torch.full((1, 3, 4, 4), torch.nan), "48 values that are NaN"),
        (np.full((1, 2), np.inf), "NaN or infinite"),
        (torch.zeros(0, 3, 4, 4), "empty batch"),
        ([], "empty batch"),
        (torch.zeros(2, 8, 8, 3), "channels last"),
        (torch.zeros(3, 8, 8), "float NCHW"),
        (np.zeros((1, 3, 4, 4), np.int64), "int64"),
        (np.zeros((1, 4, 4, 4), np.uint8), r"uint8 arrays are \(N, H, W\)"),
        (np.zeros((2, 4), np.uint8), "uint8 arrays"),
        ([b"a.png"], "holds bytes"),
        (Image.new("L", (4, 4)), "not Image"),
        (7, "not int"),
    ],
)
def test_bad_batches_say_why(batch: Any, message: str) -> None:
    with pytest.raises(KShotValueError, match=message):
        to_unit(batch)


def test_slices_keep_the_form_and_decode_nothing() -> None:
    files = ImageFiles(("none/0.png", "none/1.png", "none/2.png"))
    part = slice_images(files, 1, 3)
    assert part.paths == ("none/1.png", "none/2.png")
    assert image_count(part) == 2
    with pytest.raises(KShotFileError, match=r"none/1\.png"):
        to_unit(part)


def test_files_are_rgb(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 9).save(tmp_path / "a.png")
    files = ImageFiles((str(tmp_path / "a.png"),))
    assert files[0].shape == (2, 3, 3)
    assert files[np.array([0])].paths == files.paths


# --- modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "RGBA", "LA"])
def test_every_mode_gives_eight_bits(mode: str) -> None:
    array = pixels(Image.new("RGB", (3, 2), (200, 200, 200)).convert(mode))
    assert array.dtype == np.uint8
    assert array.shape == (2, 3, 1 if mode in ("1", "L", "LA") else 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0)).convert(mode)
    assert pixels(clear).min() == 255
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128)).convert(mode)
    assert np.abs(pixels(half).astype(int) - 127).max() <= 1


def test_palette_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putdata([0, 1])
    picture.save(tmp_path / "p.png", transparency=1)
    assert pixels(Image.open(tmp_path / "p.png"))[0].tolist() == [[255, 0, 0], [255, 255, 255]]


def test_sixteen_bit_grey_is_scaled(tmp_path: Path) -> None:
    ramp = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    assert pixels(Image.open(tmp_path / "deep.png"))[..., 0].tolist() == [[0, 1, 128, 255]]


def test_exif_rotation_is_applied() -> None:
    picture = Image.new("RGB", (4, 2))
    picture.getexif()[0x0112] = 6
    assert pixels(picture).shape == (4, 2, 3)


def test_float_pixels_must_have_one_meaning() -> None:
    assert pixels(Image.fromarray(np.array([[0.0, 1.0]], np.float32))).tolist() == [[[0], [255]]]
    with pytest.raises(KShotValueError, match="from 0 to 7"):
        pixels(Image.fromarray(np.array([[0.0, 7.0]], np.float32)))


@pytest.mark.parametrize(
    "turn", [lambda x: x[::-1], lambda x: x[..., ::-1, :], lambda x: x[:, ::-1]]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64, ">f4"])
def test_arrays_read_backwards_are_as_good_as_their_copies(turn: Any, dtype: Any) -> None:
    whole = noise(3, 6, 5, 3)
    batch = whole if dtype == np.uint8 else (whole / 255).astype(dtype).transpose(0, 3, 1, 2)
    turned = turn(batch)
    copied = np.array(turned, dtype=np.dtype(dtype).newbyteorder("="), order="C")
    assert torch.equal(unit(turned), unit(copied))
    assert torch.equal(unit(list(turned)), unit(copied))
    assert image_digests(turned) == image_digests(list(copied))


def test_digests_of_pictures_are_those_of_their_pixels() -> None:
    colour = noise(2, 6, 5, 3)
    pictures = [Image.fromarray(one) for one in colour]
    floats = torch.from_numpy(colour).permute(0, 3, 1, 2) / 255
    data = ImageDataset.from_arrays(colour, [0, 1])
    for batch in (
        colour,
        pictures,
        list(colour),
        floats,
        torch.from_numpy(colour).permute(0, 3, 1, 2),
    ):
        assert image_digests(batch) == data.digests
    assert image_digests(np.zeros((2, 7), np.float32)) == ()
    with pytest.raises(KShotValueError, match="uint8 arrays"):
        image_digests(np.zeros((2, 4, 4, 4), np.uint8))
