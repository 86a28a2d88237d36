"""A data set made of arrays and labels of a user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import kshot_viz as kv
from kshot_viz.errors import KShotValueError


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def make(images: Any = None, labels: Any = (0, 1), **options: Any) -> kv.ImageDataset:
    return kv.ImageDataset.from_arrays(
        noise(2, 4, 5) if images is None else images, labels, **options
    )


def test_names_become_sorted_classes() -> None:
    data = make(noise(3, 4, 5, 3), ["dog", "cat", "dog"], name="pets", notes={"source": "mine"})
    assert data.classes == ("cat", "dog")
    assert data.targets.tolist() == [1, 0, 1]
    assert (data.name, dict(data.notes)) == ("pets", {"source": "mine"})
    assert data.labels.tolist() == ["dog", "cat", "dog"]


def test_integers_are_their_own_names_in_numeric_order() -> None:
    data = make(noise(3, 4, 5), [10, 2, 10])
    assert data.classes == ("2", "10")
    assert data.targets.tolist() == [1, 0, 1]
    assert data.images.shape == (3, 4, 5, 1)


def test_classes_may_be_given_in_an_order_of_their_own() -> None:
    by_index = make(labels=[2, 0], classes=["z", "y", "x"])
    by_name = make(labels=["x", "z"], classes=["z", "y", "x"])
    assert by_index.targets.tolist() == by_name.targets.tolist() == [2, 0]
    assert by_index.fingerprint == by_name.fingerprint


@given(st.integers(0, 1000), st.sampled_from([(3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 3)]))
def test_floats_are_rounded_to_the_same_pixels(seed: int, shape: tuple[int, ...]) -> None:
    pixels = noise(*shape, seed=seed)
    labels = ["a", "b", "a"]
    bytes_, floats = make(pixels, labels), make(pixels / 255.0, labels)
    assert bytes_.fingerprint == floats.fingerprint
    assert make((pixels / 255.0).astype(np.float32), labels).digests == bytes_.digests


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
        lambda x: x[:, :, ::-1],
        lambda x: np.asfortranarray(x),
        lambda x: x.swapaxes(1, 2),
    ],
)
def test_views_of_any_order_in_memory_are_fine(view: Any) -> None:
    for pixels in (noise(4, 6, 6, 3), noise(4, 6, 6, 3) / 255.0):
        given_, copied = view(pixels), np.ascontiguousarray(view(pixels))
        labels = ["a", "b", "a", "b"]
        assert make(given_, labels).fingerprint == make(copied, labels).fingerprint


def test_the_result_works_like_any_other_data() -> None:
    data = make(noise(40, 8, 8), np.repeat(["a", "b"], 20))
    episode = kv.sample_episodes(data, way=2, shot=1, n=1)[0]
    assert episode.split(data)[0].classes == ("a", "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 4, 4, 4), np.uint8)}, r"\(N, H, W\).*uint8 \(2, 4, 4, 4\)"),
        ({"images": np.zeros((2, 3, 4, 4))}, "Channels come last"),
        ({"images": np.zeros((2, 4, 4), np.int64)}, "int64"),
        ({"images": np.zeros((2, 16), np.uint8)}, r"uint8 \(2, 16\)"),
        ({"images": None}, r"\(N, H, W\)"),
        ({"images": "ab"}, r"\(N, H, W\)"),
        ({"images": np.full((2, 4, 4), 200.0)}, "Divide values 0 to 255"),
        ({"images": np.full((2, 4, 4), -0.5)}, r"lie in \[0, 1\]"),
        ({"images": np.full((2, 4, 4), np.nan)}, "NaN"),
        ({"labels": [0]}, "`images` and `labels` differ in length: 2 and 1"),
        ({"labels": [0.0, 1.0]}, "names or integers; not float64"),
        ({"labels": [True, False]}, "names or integers; not bool"),
        ({"labels": [0.0, np.nan]}, "1 that are missing"),
        ({"labels": ["a", None]}, "1 that are missing"),
        ({"labels": [[0], [1]]}, "must be a row"),
        ({"labels": [[0], [1, 2]]}, "must be a row"),
        ({"labels": None}, "must be a row"),
        ({"labels": ["a", "q"], "classes": ["a", "b"]}, "'q', not in `classes`: 'a', 'b'"),
        ({"labels": [0, 2], "classes": ["a", "b"]}, r"0\.\.1.*not 0\.\.2"),
        ({"labels": [-1, 0], "classes": ["a", "b"]}, r"0\.\.1"),
        ({"classes": "ab"}, "`classes` must be a list"),
        ({"classes": ["a", "a"]}, "distinct"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    given_ = {"images": noise(2, 4, 4), "labels": [0, 1]} | change
    with pytest.raises(KShotValueError, match=message):
        kv.ImageDataset.from_arrays(**given_)


def test_tensors_on_the_cpu_count_as_arrays() -> None:
    pixels = noise(2, 4, 5)
    assert make(torch.from_numpy(pixels)).fingerprint == make(pixels).fingerprint
