"""Images that are inverted beside the source, or nearly without contrast, are warned of; once."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import toy_data

import kshot_viz as kv
from kshot_viz.models.inputs import source_pixels
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess
from kshot_viz.models.inputs.source_pixels import (
    PixelStatistics,
    seen_statistics,
    source_statistics,
    unlike_source,
    warn_if_unlike_source,
)

LETTERS = PixelStatistics(0.151, 0.285)
PHOTOGRAPHS = PixelStatistics(0.449, 0.226)


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pixels, "_told", set())


def photographs(brightness: float, seed: int = 0) -> kv.ImageDataset:
    """Smooth colour fields, about as bright and as varied as photographs are."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(brightness, 0.24, (24, 8, 8, 3)).clip(0, 1)
    fine = np.kron(coarse, np.ones((1, 8, 8, 1)))
    return kv.ImageDataset.from_arrays(fine, np.repeat(["a", "b"], 12), name="photographs")


def inverted(data: kv.ImageDataset) -> kv.ImageDataset:
    return kv.ImageDataset.from_arrays(
        255 - data.images, data.targets, classes=data.classes, name="on paper"
    )


def test_the_projects_own_tasks_are_not_warned_of() -> None:
    letters, digits = kv.load_dataset("glyphs", per_class=1), kv.load_dataset("digits")
    glyphnet = kv.load_backbone("glyphnet")
    imagenet = kv.Backbone(_small(), preprocess=RECIPES["imagenet"].with_size(32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in (letters, digits, photographs(0.45)):
            warn_if_unlike_source(glyphnet, data, data)
        for data in (digits, *(photographs(level) for level in (0.25, 0.45, 0.6, 0.75))):
            warn_if_unlike_source(imagenet, data, data)


def _small() -> torch.nn.Module:
    pool, flat = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), pool, flat, torch.nn.Linear(4, 5))


def test_dark_strokes_on_paper_are_warned_of_and_the_cure_cures() -> None:
    digits, glyphnet = inverted(kv.load_dataset("digits")), kv.load_backbone("glyphnet")
    with pytest.warns(UserWarning, match="'on paper' look inverted") as caught:
        warn_if_unlike_source(glyphnet, digits, digits)
    warn_if_unlike_source(glyphnet, digits, digits)
    assert "preprocess=replace(backbone.preprocess, invert=True)" in str(caught[0].message)
    assert "--invert" not in str(caught[0].message)
    cured = kv.load_backbone("glyphnet", preprocess=replace(glyphnet.preprocess, invert=True))
    warn_if_unlike_source(cured, digits, digits)
    original = kv.load_dataset("digits")
    torch.testing.assert_close(cured.prepare(digits), glyphnet.prepare(original))


def test_a_scan_that_uses_few_of_its_values_is_warned_of() -> None:
    digits, glyphnet = kv.load_dataset("digits"), kv.load_backbone("glyphnet")
    faint = kv.ImageDataset.from_arrays(digits.images // 16, digits.targets, name="faint")
    with pytest.warns(UserWarning, match=r"'faint' differ in contrast.*Stretch"):
        warn_if_unlike_source(glyphnet, faint, faint)


def test_evaluate_and_a_comparison_warn_once() -> None:
    digits = inverted(kv.load_dataset("digits"))
    episodes = kv.sample_episodes(digits, way=2, shot=1, query=5, n=2)
    step = kv.FinetuneConfig(steps=1)
    glyphnet = kv.load_backbone("glyphnet")
    given = {"methods": ["head_only"], "tune": None, "config": step}
    with pytest.warns(UserWarning, match="look inverted") as caught:
        kv.compare_methods(glyphnet, digits, episodes, **given)
    assert [one.filename for one in caught] == [__file__]
    kv.evaluate(glyphnet, digits, episodes, [kv.Candidate(None, step)])


def test_the_statistics_are_those_of_the_pixels() -> None:
    data = photographs(0.5)
    for how in (RECIPES["unit"], RECIPES["imagenet"].with_size(64), RECIPES["caffe_bgr"]):
        seen = seen_statistics(replace(how, size=64, short_side=None), data)
        # Of 24 images 16 are looked at.
        assert seen.mean == pytest.approx(data.images.mean() / 255, abs=0.03)
        assert seen.std == pytest.approx((data.images / 255).std(), abs=0.03)


def test_what_is_known_of_a_source() -> None:
    assert source_statistics(kv.load_backbone("glyphnet")) == LETTERS
    assert source_statistics(kv.load_backbone("glyphnet", weights=None)) is None
    for how, known in (
        ("imagenet", PHOTOGRAPHS),
        ("caffe_bgr", None),
        (Preprocess(size=32, mean=(0.5,), std=(0.5,)), None),
        (None, None),
        (lambda batch: batch, None),
    ):
        found = source_statistics(kv.Backbone(_small(), preprocess=how))
        if known is None:
            assert found is None
        else:
            assert (found.mean, found.std) == pytest.approx((known.mean, known.std), abs=1e-3)


@pytest.mark.parametrize(
    ("seen", "source", "word"),
    [
        ((0.85, 0.29), LETTERS, "inverted"),
        ((0.75, 0.2), LETTERS, "inverted"),
        ((0.5, 0.25), LETTERS, ""),
        ((0.158, 0.294), LETTERS, ""),
        ((0.15, 0.05), LETTERS, "contrast"),
        ((0.8, 0.3), PHOTOGRAPHS, ""),
        ((0.95, 0.15), PHOTOGRAPHS, ""),
        ((0.05, 0.15), PHOTOGRAPHS, ""),
        ((0.02, 0.01), PHOTOGRAPHS, "contrast"),
    ],
)
def test_how_far_is_far(seen: tuple[float, float], source: PixelStatistics, word: str) -> None:
    text = unlike_source(PixelStatistics(*seen), source)
    assert (word in text) if word else not text


def test_a_network_without_a_known_source_is_left_alone() -> None:
    data = toy_data()
    warn_if_unlike_source(kv.Backbone(_small()), data, data)
