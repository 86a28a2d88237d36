"""Variants of a data set: what is kept and what is changed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_data
from PIL import Image

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.data.transforms import (
    inverted,
    only_classes,
    rotated,
    shuffled_patches,
    textured,
)
from kshot_viz.errors import KShotKeyError, KShotValueError

ALL = [rotated, inverted, textured, partial(shuffled_patches, size=2)]


@pytest.mark.parametrize("change", ALL)
def test_labels_stay_and_images_change(change):
    data = toy_data()
    found = change(data)
    assert np.array_equal(found.targets, data.targets)
    assert found.classes == data.classes
    assert found.images.shape == data.images.shape
    assert found.images.dtype == np.uint8
    assert found.fingerprint != data.fingerprint
    assert found.name.startswith("toy ")
    assert not set(found.digests) & set(data.digests)
    assert change(data).fingerprint == found.fingerprint


@given(turns=st.integers(-4, 8))
def test_quarter_turns_add_up(turns):
    data = toy_data(2, 2)
    found = data
    for _ in range(turns % 4):
        found = rotated(found, 90)
    assert np.array_equal(rotated(data, 90 * turns).images, found.images)


def test_a_small_turn_is_resampled_counter_clockwise():
    pixels = np.zeros((2, 21, 21, 1), np.uint8)
    pixels[:, 10, 12:] = 255
    data = ImageDataset.from_arrays(pixels, ["a", "b"])
    found = rotated(data, 45).images[0, :, :, 0]
    assert found[6, 14] > 100
    assert found[14, 14] == 0


def test_inverting_twice_is_nothing():
    data = toy_data()
    assert np.array_equal(inverted(inverted(data)).images, data.images)


@given(strength=st.floats(0, 1), seed=st.integers(0, 3))
def test_a_texture_brightens_and_never_darkens(strength, seed):
    data = toy_data(2, 3)
    found = textured(data, strength=strength, seed=seed)
    assert (found.images >= data.images).all()
    if strength == 0:
        assert np.array_equal(found.images, data.images)


def test_every_image_has_a_texture_of_its_own():
    blank = ImageDataset.from_arrays(np.zeros((4, 8, 8), np.uint8), list("abab"))
    found = textured(blank)
    assert len(set(found.digests)) == 4
    assert textured(blank, seed=1).fingerprint != found.fingerprint


@given(size=st.sampled_from([1, 2, 4, 8]))
def test_patches_keep_their_pixels(size):
    data = toy_data(2, 3)
    found = shuffled_patches(data, size=size)
    for one, other in zip(data.images, found.images, strict=True):
        assert np.array_equal(np.sort(one, axis=None), np.sort(other, axis=None))
        cut = {
            (one[r : r + size, c : c + size].tobytes(), other[r : r + size, c : c + size].tobytes())
            for r in range(0, 8, size)
            for c in range(0, 8, size)
        }
        assert {a for a, _ in cut} == {b for _, b in cut}
    if size == 8:
        assert np.array_equal(found.images, data.images)


def test_some_classes_keep_their_images():
    data = toy_data(4)
    found = only_classes(data, ["c3", "c1"])
    assert found.classes == ("c3", "c1")
    assert found.name == "toy c3-c1"
    assert found.counts() == {"c3": 12, "c1": 12}
    assert set(found.digests) <= set(data.digests)
    assert only_classes(data, ["c0", "c1"], name="few").name == "few"


def test_files_of_one_size_are_read(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.new("RGB", (6, 4), (10, 20, 30 + ord(label))).save(tmp_path / label / "x.png")
    found = inverted(load_dataset(tmp_path))
    assert found.images.shape == (2, 4, 6, 3)
    assert found.images[0, 0, 0].tolist() == [245, 235, 255 - 30 - ord("a")]
    Image.new("RGB", (5, 5)).save(tmp_path / "a" / "y.png")
    with pytest.raises(KShotValueError, match="2 different sizes"):
        inverted(load_dataset(tmp_path))


def test_refusals():
    data = toy_data()
    with pytest.raises(KShotKeyError, match="Did you mean 'c1'"):
        only_classes(data, ["c0", "c11"])
    for classes in (["c0"], ["c0", "c0"]):
        with pytest.raises(KShotValueError, match="at least two, all different"):
            only_classes(data, classes)
    with pytest.raises(KShotValueError, match="must divide the sides of the images, 8 x 8; not 3"):
        shuffled_patches(data, size=3)
    with pytest.raises(KShotValueError, match="strength"):
        textured(data, strength=1.5)
    with pytest.raises(KShotValueError, match="has no image"):
        rotated(data.take([]))
    with pytest.raises(KShotValueError, match="ImageDataset"):
        inverted(np.zeros((2, 8, 8)))
