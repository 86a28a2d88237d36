"""The picture of prototypes among the images' features, by value and as drawn."""

from __future__ import annotations

import numpy as np
import pytest
from small_words import TEXTS, network, pictures, small_words

from kshot_viz.viz import to_png
from kshot_viz.viz.style.canvas import figure_of
from kshot_viz.viz.words.described_figure import accuracy_text, described_findings, spread
from kshot_viz.viz.words.prototype_map import BOTH, IMAGE, TEXT, map_frame, plot_prototypes
from kshot_viz.words.preview import Outcome, Preview, Settings

IMAGES = pictures().take(range(0, 48, 2))


@pytest.fixture(scope="module")
def preview() -> Preview:
    return Preview(network(), small_words(), IMAGES, pictures().take(range(1, 48, 2)))


@pytest.fixture
def outcome(preview: Preview) -> Outcome:
    texts = {name: text for name, text in TEXTS.items() if name != "c1"}
    return preview.outcome(texts, Settings(shot=2))


def test_the_frame_has_every_image_and_both_prototypes_of_every_class(outcome):
    frame = map_frame(outcome)
    assert frame["kind"].value_counts().to_dict() == {IMAGE: 24, TEXT: 5, BOTH: 5}
    images = frame[frame["kind"] == IMAGE]
    np.testing.assert_allclose(images[["x", "y"]].mean(), 0, atol=1e-5)
    assert images["class"].tolist() == list(IMAGES.labels)
    assert (images["number"] < 0).sum() == (IMAGES.labels == "c1").sum()
    right = outcome.frame().query("shot == 2")["right"]
    assert images["right"].tolist() == [one is None or bool(one) for one in right]
    for kind, prototypes in ((TEXT, outcome.alone), (BOTH, outcome.blended)):
        drawn = frame.loc[frame["kind"] == kind, ["x", "y"]]
        np.testing.assert_allclose(drawn, outcome.preview.project(prototypes), atol=1e-6)


def test_it_is_drawn_with_names_and_lines(outcome):
    ax = plot_prototypes(outcome)
    assert {one.get_text() for one in ax.texts} >= set(outcome.classes)
    assert len(ax.lines) == 5
    assert "Grey: 4 images of no described" in ax.texts[-1].get_text()
    assert to_png(figure_of(ax))


def test_without_images_there_are_no_lines(preview):
    ax = plot_prototypes(preview.outcome(TEXTS, Settings()))
    assert not ax.lines


def test_images_are_chosen_by_turns_from_the_classes(outcome):
    chosen = spread(outcome, 12)
    assert np.bincount(IMAGES.targets[chosen]).tolist() == [2] * 6
    assert chosen == sorted(chosen, key=lambda i: IMAGES.targets[i])
    assert sorted(spread(outcome, 99)) == list(range(24))


def test_sentences_are_of_the_numbers(outcome):
    text = accuracy_text(outcome)
    assert f"Descriptions alone: {100 * outcome.accuracy(alone=True):.0f} % of 20 images" in text
    assert f"With 2 images of each class: {100 * outcome.accuracy():.0f} %" in text
    words = outcome.word_frame()
    best = words.loc[words["evidence"].idxmax()]
    said = described_findings(outcome)
    assert any(f"{best['token']!r} of {best['class']!r}" in one for one in said)
