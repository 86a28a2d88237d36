from __future__ import annotations

import pickle

import numpy as np
import pytest

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotValueError


def toy(n: int = 6, name: str = "toy") -> ImageDataset:
    images = np.arange(n * 12, dtype=np.uint8).reshape(n, 2, 2, 3)
    return ImageDataset.from_arrays(images, np.arange(n) % 2, classes=["a", "<b>"], name=name)


def test_labels_are_class_names() -> None:
    data = toy()
    assert (data.labels == np.array(["a", "<b>"] * 3)).all()
    assert data.counts() == {"a": 3, "<b>": 3}


def test_take_keeps_order_and_classes() -> None:
    part = toy().take([4, 0])
    assert part.classes == ("a", "<b>")
    np.testing.assert_array_equal(part.images, toy().images[[4, 0]])
    assert part.counts() == {"a": 2, "<b>": 0}


def test_restrict_renames_targets() -> None:
    part = toy().restrict([1, 3], [1])
    assert part.classes == ("<b>",)
    assert part.targets.tolist() == [0, 0]


def test_restrict_refuses_an_image_of_another_class() -> None:
    with pytest.raises(KShotValueError, match="targets"):
        toy().restrict([0], [1])


def test_fingerprint_depends_on_content_and_not_on_name() -> None:
    assert toy(name="x").fingerprint == toy(name="y").fingerprint
    assert toy(6).fingerprint != toy(7).fingerprint
    other = toy()
    images = other.images.copy()
    images[0, 0, 0, 0] += 1
    changed = ImageDataset.from_arrays(images, other.targets, classes=other.classes, name="toy")
    assert changed.fingerprint != other.fingerprint


def test_subsets_have_their_own_fingerprint() -> None:
    data = toy()
    assert data.take([0, 1]).fingerprint == data.take([0, 1]).fingerprint
    assert len({data.fingerprint, data.take([0]).fingerprint, data.take([1]).fingerprint}) == 3


def test_pickles() -> None:
    data = pickle.loads(pickle.dumps(toy()))
    assert data.fingerprint == toy().fingerprint


def test_html_is_escaped_and_repr_says_sizes() -> None:
    assert "<b>" not in toy()._repr_html_()
    assert "6 images, 2 classes, 2x2 RGB" in repr(toy())


@pytest.mark.parametrize(
    ("indices", "message"), [([9], "0..5"), ([-1], "0..5"), ([0.5], "integers")]
)
def test_bad_indices(indices: list[float], message: str) -> None:
    with pytest.raises(KShotValueError, match=message):
        toy().take(indices)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 4, 4), np.int64), np.zeros((2, 4, 4, 4), np.uint8)]
)
def test_bad_pixels(images: np.ndarray) -> None:
    with pytest.raises(KShotValueError, match="uint8"):
        ImageDataset.from_arrays(images, [0, 1], classes=["a", "b"], name="bad")


def test_bad_targets_and_classes() -> None:
    images = np.zeros((2, 4, 4), np.uint8)
    with pytest.raises(KShotValueError, match=r"0\.\.1"):
        ImageDataset.from_arrays(images, [0, 2], classes=["a", "b"], name="bad")
    with pytest.raises(KShotValueError, match="differ in length"):
        ImageDataset.from_arrays(images, [0], classes=["a", "b"], name="bad")
    with pytest.raises(KShotValueError, match="distinct"):
        ImageDataset.from_arrays(images, [0, 1], classes=["a", "a"], name="bad")
