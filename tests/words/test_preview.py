"""A preview is what the functions give: prototypes, blends, accuracies and evidence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_words import TEXTS, network, pictures, small_words

import kshot_viz as kv
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.words import network_from_words, network_from_words_and_images, word_evidence
from kshot_viz.words.preview import Preview, Settings

IMAGES = pictures().take(range(0, 48, 2))
SUPPORT = pictures().take(range(1, 48, 2))


@pytest.fixture(scope="module")
def preview() -> Preview:
    return Preview(network(), small_words(), IMAGES, SUPPORT)


def logits(backbone, data):
    with torch.no_grad():
        return backbone.module(backbone.prepare(data.images))


def test_descriptions_alone_are_network_from_words(preview):
    found = preview.outcome(TEXTS, Settings())
    expected = logits(network_from_words(network(), TEXTS, small_words()), IMAGES)
    torch.testing.assert_close(logits(found.network(), IMAGES), expected)
    shares = expected.softmax(dim=1).numpy()
    np.testing.assert_allclose(found.probabilities(), shares, atol=1e-4)
    assert found.accuracy() == found.accuracy(alone=True)
    assert found.accuracy() == pytest.approx((shares.argmax(1) == IMAGES.targets).mean())


@pytest.mark.parametrize("prior_count", [0.5, 4.0])
def test_with_images_it_is_the_blend_of_the_first_ones(preview, prior_count):
    found = preview.outcome(TEXTS, Settings(shot=2, prior_count=prior_count))
    first = [i for c in range(6) for i in np.flatnonzero(SUPPORT.targets == c)[:2]]
    expected = network_from_words_and_images(
        network(), TEXTS, SUPPORT.take(first), small_words(), prior_count=prior_count
    )
    torch.testing.assert_close(
        logits(found.network(), IMAGES), logits(expected, IMAGES), atol=1e-4, rtol=1e-4
    )
    alone = preview.outcome(TEXTS, Settings())
    np.testing.assert_array_equal(found.probabilities(alone=True), alone.probabilities())


def test_most_shots_are_what_every_class_of_the_support_has(preview):
    assert preview.most_shots == 4
    assert Preview(network(), small_words(), IMAGES).most_shots == 0
    fewer = Preview(network(), small_words(), IMAGES, SUPPORT.take(range(23)))
    assert fewer.most_shots == 3
    fewer.outcome(TEXTS, Settings(shot=3))


@pytest.mark.parametrize("measure", ["shapley", "without", "gradient"])
def test_evidence_is_that_of_the_function(preview, measure):
    frame = preview.outcome(TEXTS, Settings(evidence=measure)).word_frame()
    expected = word_evidence(network(), IMAGES, TEXTS, small_words())
    assert frame["token"].tolist() == expected["token"].tolist()
    np.testing.assert_allclose(frame["evidence"], expected[measure], atol=1e-5)


@pytest.mark.parametrize("measure", ["shapley", "without", "gradient"])
def test_invented_classes_have_no_evidence_and_images_of_none_no_say(preview, measure):
    texts = {name: text for name, text in TEXTS.items() if name != "c1"}
    texts["invented"] = "spot bright spot"
    found = preview.outcome(texts, Settings(shot=1, evidence=measure))
    words = found.word_frame().set_index("class")["evidence"]
    assert words["invented"].isna().all()
    assert words.drop("invented").notna().all()
    assert (found.labels < 0).sum() == (IMAGES.targets == 1).sum()
    torch.testing.assert_close(found.alone[-1], found.blended[-1])
    frame = found.frame()
    lone = frame[frame["label"] == "c1"]
    assert lone["right"].isna().all()
    known = frame[(frame["label"] != "c1") & (frame["head"] == "descriptions and images")]
    assert known["right"].mean() == pytest.approx(found.accuracy())
    assert (known["right"] == (known["label"] == known["predicted"])).all()


def test_a_renamed_class_keeps_its_images(preview):
    texts = {("first" if name == "c0" else name): text for name, text in TEXTS.items()}
    renamed = {name: ("first" if name == "c0" else name) for name in TEXTS}
    found, before = (
        preview.outcome(texts, Settings(shot=2), renamed),
        preview.outcome(TEXTS, Settings(shot=2)),
    )
    np.testing.assert_array_equal(found.labels, before.labels)
    torch.testing.assert_close(found.blended, before.blended)
    assert (found.frame()["label"] == "first").sum() == 2 * (IMAGES.targets == 0).sum()


def test_no_described_image_has_no_accuracy(preview):
    found = preview.outcome({"x": "bright spot", "y": "spot near corner"}, Settings())
    assert np.isnan(found.accuracy())
    assert found.frame()["right"].isna().all()


def test_the_plane_is_that_of_the_images_alone(preview):
    points = preview.project(preview.features)
    from sklearn.decomposition import PCA

    pca = PCA(2, svd_solver="full").fit(preview.features.numpy())
    expected = pca.transform(preview.features.numpy())
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(preview.plane[1], pca.explained_variance_ratio_, atol=1e-5)


def test_one_image_has_a_plane_too():
    alone = Preview(network(), small_words(), IMAGES.take([0]))
    found = alone.outcome(TEXTS, Settings())
    assert np.isfinite(alone.project(found.alone)).all()


def test_what_cannot_be_used_is_refused(preview):
    with pytest.raises(KShotKeyError, match="nearest known: 'corner'"):
        preview.outcome(TEXTS | {"c0": "korner"}, Settings())
    with pytest.raises(KShotValueError, match="at least two"):
        preview.outcome({"c0": "corner"}, Settings())
    with pytest.raises(KShotValueError, match="were trained for"):
        Preview(kv.load_backbone("glyphnet"), small_words(), IMAGES)
