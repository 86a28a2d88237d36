"""One fine-tune from all sides: each part is that of its own function, and the report holds all."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

import kshot_viz as kv
from kshot_viz.analysis import alignment, analyse_finetune, compare_layers
from kshot_viz.analysis.whole.finetune_analysis import FRAMES
from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.viz import findings_text, write_inside_report

pytestmark = pytest.mark.slow

DATA = toy_data(per_class=20)
CONFIG = kv.FinetuneConfig(steps=2)
CALL = {"config": CONFIG, "shot": 4, "query": 6, "episodes": 0}


@pytest.fixture(scope="module")
def found():
    return analyse_finetune(toy_backbone(), DATA, **CALL)


def test_parts_are_those_of_their_functions(found):
    (episode,) = kv.sample_episodes(
        DATA, way=3, shot=4, query=6, n=1, val_share=0, seed=0, min_query=1
    )
    support, query = episode.split(DATA)
    tuned = kv.finetune(toy_backbone(), support, method="plain", config=CONFIG)
    alike = compare_layers(toy_backbone(), tuned, images=query)
    pd.testing.assert_frame_equal(found.layers, alike)
    aligned = alignment(tuned, query, layers=list(toy_backbone().layers))
    pd.testing.assert_frame_equal(found.alignment.frame(), aligned.frame())
    assert list(found.dynamics.status) == ["plain", "grouped"]
    assert found.dynamics.frame().query("method == 'plain' and measure == 'loss'")[
        "value"
    ].iloc[-1] == tuned.losses[-1]  # fmt: skip
    assert (found.topology.before.n_points, found.topology.after.n_points) == (60, 60)
    assert found.topology.layer == list(toy_backbone().layers)[-1]
    assert found.transfer is None


def test_findings_and_frames(found):
    text = findings_text(found)
    assert "plain: from step 0 to step 2" in text
    assert f"{len(found.topology.after.nodes)} after; purity" in text.replace("\n", " ")
    assert set(found.frames()) == set(FRAMES) - {"transfer", "masking"}
    assert "tuned by 'plain'" in repr(found)


def test_the_report_is_one_file_and_escapes_names(found, tmp_path):
    named = dataclasses.replace(found, data="<b>zoo</b>")
    page = write_inside_report(named, tmp_path / "a" / "report.html", command="kshot-viz <x>")
    text = page.read_text("utf-8")
    assert "&lt;b&gt;zoo&lt;/b&gt;" in text
    assert "<b>zoo" not in text
    assert "kshot-viz &lt;x&gt;" in text
    assert text.count("<img ") == 7
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert "Does pretraining help?" not in text
    with pytest.raises(KShotFileError, match="name the file"):
        write_inside_report(found, tmp_path)
    with pytest.raises(KShotValueError, match="FinetuneAnalysis"):
        write_inside_report(found.layers, tmp_path / "r.html")


def test_with_the_pretrained_weights_beside_random_ones(tmp_path):
    heard = []
    found = analyse_finetune(
        toy_backbone(), DATA, **CALL | {"episodes": 2, "query": 5, "shot": 1}, progress=heard.append
    )
    assert heard[-1] == "pretrained beside random weights"
    assert set(found.frames()) >= {"transfer", "masking"}
    assert "pretrained" in findings_text(found)
    text = write_inside_report(found, tmp_path / "report.html").read_text("utf-8")
    assert "Does pretraining help?" in text


def test_what_images_do_not_allow_is_left_out_with_the_reason(tmp_path):
    few = toy_data(per_class=3)
    found = analyse_finetune(
        toy_backbone(), few, config=CONFIG, shot=1, query=2, episodes=2, layers=["deep"]
    )
    assert set(found.left_out) >= {"topology", "transfer"}
    assert (found.topology, found.transfer) == (None, None)
    assert "Transfer is left out: class 'c0' of 'toy' has 3 images" in findings_text(found)
    text = write_inside_report(found, tmp_path / "report.html").read_text("utf-8")
    assert "Topology is left out: All 9 rows are noise" in text
    assert "Topology of activations" not in text


def test_refusals():
    with pytest.raises(KShotKeyError, match="graph_layer"):
        analyse_finetune(toy_backbone(), DATA, **CALL, graph_layer="depp")
    with pytest.raises(KShotValueError, match="images"):
        analyse_finetune(toy_backbone(), DATA, **CALL | {"shot": 30})


def test_a_run_that_diverges_leaves_what_was_measured_before():
    wild = kv.FinetuneConfig(steps=6, lr=1e30, head_lr=1e30)
    found = analyse_finetune(toy_backbone(), DATA, **CALL | {"config": wild})
    assert set(found.left_out) == {"layers", "alignment", "topology"}
    assert "no tuned network to look at" in found.left_out["alignment"]
    assert (found.layers, found.alignment) == (None, None)
    assert "diverged at step" in findings_text(found)
    assert set(found.frames()) == {"dynamics"}


def test_a_network_with_layers_that_cannot_be_measured():
    network = nn.Sequential(
        nn.Conv2d(1, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 1, groups=64), nn.ReLU(), nn.Flatten(),
        nn.Linear(2304, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3),
    )  # fmt: skip
    backbone = kv.Backbone(network, head="9", example=torch.rand(2, 1, 8, 8))
    found = analyse_finetune(
        backbone, DATA, config=kv.FinetuneConfig(steps=1), shot=1, query=3, episodes=0
    )
    assert set(found.alignment.frame()["layer"]) == {"0", "7"}
    assert "Not measured" not in findings_text(found)
