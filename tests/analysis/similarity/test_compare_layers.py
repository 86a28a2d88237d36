"""Layers of networks compared, with null and interval, and their picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz import viz
from kshot_viz.activations.capture import image_responses
from kshot_viz.analysis import compare_layers, similarity
from kshot_viz.analysis.similarity.compare_layers import COLUMNS
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.style.dark_mode import recolour

pytestmark = pytest.mark.slow

FEW = {"permutations": 19, "resamples": 20}
IMAGES = toy_data()


@pytest.fixture(scope="module")
def frame():
    return compare_layers(toy_backbone(), toy_backbone(seed=1), images=IMAGES, **FEW)


def test_a_row_for_every_pair(frame):
    assert tuple(frame.columns) == COLUMNS
    pairs = list(zip(frame["layer"], frame["other_layer"], strict=True))
    assert pairs == [("conv", "conv"), ("conv", "deep"), ("deep", "conv"), ("deep", "deep")]
    assert set(frame["images"]) == {36}


def test_values_are_those_of_the_means_of_each_image(frame):
    networks = toy_backbone(), toy_backbone(seed=1)
    a = image_responses(networks[0], IMAGES, "conv")
    b = image_responses(networks[1], IMAGES, "deep")
    assert frame["value"][1] == pytest.approx(similarity(a.T, b.T), abs=1e-9)


def test_related_layers_stand_out_of_the_null(frame):
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    assert (frame["p_value"] == 1 / 20).all()
    assert (frame["null_mean"] < frame["value"]).all()


def test_a_network_is_like_itself_and_only_there():
    found = compare_layers(toy_backbone(), images=IMAGES, permutations=0, resamples=0)
    same = found["layer"] == found["other_layer"]
    assert np.allclose(found["value"][same], 1.0)
    assert (found["value"][~same] < 1 - 1e-6).all()
    assert found[["null_mean", "p_value", "low", "high"]].isna().all(axis=None)
    both = compare_layers(
        toy_backbone(), toy_backbone(), images=IMAGES, permutations=0, resamples=0
    )
    assert both.equals(found)


def test_unrelated_samples_do_not_stand_out():
    noise = np.random.default_rng(0).integers(0, 255, (24, 8, 8, 1), dtype=np.uint8)
    shuffled = compare_layers(
        toy_backbone(), toy_backbone(seed=1), images=noise, measure="cka_unbiased", **FEW
    )
    assert (abs(shuffled["null_mean"]) < 0.15).all()


@pytest.mark.parametrize("measure", ["svcca", "pwcca", "procrustes", "rsa", "cka_rbf", "knn"])
def test_every_measure_has_its_null_and_interval(measure):
    found = compare_layers(
        toy_backbone(), images=IMAGES, measure=measure, layers=["deep"], permutations=3, resamples=3
    )
    assert found["value"][0] == pytest.approx(1.0)
    assert found["p_value"][0] == 1 / 4
    assert found.notna().all(axis=None)


def test_the_same_seed_gives_the_same_frame(frame):
    again = compare_layers(toy_backbone(), toy_backbone(seed=1), images=IMAGES, **FEW)
    assert again.equals(frame)
    other = compare_layers(toy_backbone(), toy_backbone(seed=1), images=IMAGES, seed=1, **FEW)
    assert not other["low"].equals(frame["low"])


def test_more_images_narrow_the_interval():
    few, many = (toy_data(per_class=n, seed=2) for n in (6, 40))
    widths = [
        (found["high"] - found["low"]).mean()
        for found in (
            compare_layers(
                toy_backbone(), toy_backbone(seed=1), images=one, permutations=0, resamples=40
            )
            for one in (few, many)
        )
    ]
    assert widths[1] < widths[0]


def test_a_tuned_network_and_other_layers():
    tuned = kv.finetune(
        toy_backbone(), IMAGES, method="plain", config=kv.FinetuneConfig(steps=2, lr=0.01)
    )
    found = compare_layers(
        toy_backbone(), tuned, images=IMAGES, layers=["conv"], other_layers=["deep"], **FEW
    )
    assert list(found["other_layer"]) == ["deep"]
    assert list(found["second"]) == ["ToyNet (plain)"]


def test_refusals():
    with pytest.raises(KShotKeyError, match="measure"):
        compare_layers(toy_backbone(), images=IMAGES, measure="cca")
    with pytest.raises(KShotKeyError, match="layer"):
        compare_layers(toy_backbone(), images=IMAGES, layers=["conf"])
    with pytest.raises(KShotValueError, match="`layers` is empty"):
        compare_layers(toy_backbone(), images=IMAGES, layers=[])
    with pytest.raises(KShotValueError, match="12 samples in each half; not 10"):
        compare_layers(toy_backbone(), images=IMAGES.take(range(20)), measure="knn")
    with pytest.raises(KShotValueError, match="layer conv of ToyNet` is the same for all 4"):
        compare_layers(toy_backbone(), images=np.zeros((4, 8, 8, 1), np.uint8))
    with pytest.raises(KShotValueError, match="`second` must be"):
        compare_layers(toy_backbone(), 3, images=IMAGES)


# ---- the picture ---------------------------------------------------------------------------------


def test_the_picture_writes_the_values(frame):
    marked = frame.assign(p_value=[0.01, 0.5, 0.01, 0.01])
    ax = viz.plot_layer_similarity(marked)
    written = {one.get_position(): one.get_text() for one in ax.texts}
    assert written[0, 0] == f"{frame['value'][0]:.2f}"
    assert written[1, 0] == f"({frame['value'][1]:.2f})"
    assert ax.get_title(loc="left") == "Similarity of layers, linear CKA"
    before = [one.get_color() for one in ax.texts if one.get_position() in {(0, 0), (1, 0)}]
    recolour(ax.figure, dark=True)
    after = [one.get_color() for one in ax.texts if one.get_position() in {(0, 0), (1, 0)}]
    assert before == after


def test_values_without_a_null_and_missing_ones_are_drawn(frame):
    ax = viz.plot_layer_similarity(frame.assign(p_value=np.nan, value=[0.5, np.nan, 0.7, 0.9]))
    written = {one.get_position(): one.get_text() for one in ax.texts}
    assert written[1, 0] == "-"
    assert written[1, 1] == "0.90"


def test_the_picture_refuses_other_frames(frame):
    with pytest.raises(KShotValueError, match="lacks"):
        viz.plot_layer_similarity(frame.drop(columns="value"))
    with pytest.raises(KShotValueError, match="several rows"):
        viz.plot_layer_similarity(pd.concat([frame, frame]))
    with pytest.raises(KShotValueError, match="no row"):
        viz.plot_layer_similarity(frame.iloc[:0])
