"""KShotComparison of a method with gates: tuned in the background, and drawn."""

from __future__ import annotations

import pandas as pd
import pytest
from networks import toy_backbone, toy_data
from small_comparison import hand_made

import kshot_viz as kv
from kshot_viz.errors import KShotKeyError
from kshot_viz.methods.adafilter.method import AdaFilter
from kshot_viz.study.tuned_gates import TunedGates
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.widgets.comparison.kshot_comparison import KShotComparison

PATIENCE = 60
DATA = toy_data(3, 20)
STATIC = kv.Candidate(None, kv.FinetuneConfig(), AdaFilter(gate="static"), name="static")


def compared(*methods):
    episodes = [
        one
        for shot in (1, 2)
        for one in kv.sample_episodes(DATA, way=3, shot=shot, query=4, n=2, seed=0)
    ]
    config = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=4)
    return kv.compare_methods(
        toy_backbone(), DATA, episodes, methods=methods, tune=None, config=config
    )


@pytest.fixture(scope="module")
def comparison():
    return compared("plain", "adafilter")


def drawn(widget):
    assert widget.wait(PATIENCE)
    return widget


def shown(widget):
    by_choice = widget.controls.by_choice
    return {name for name, one in by_choice.items() if one.layout.display != "none"}


@pytest.mark.slow
def test_gates_are_tuned_in_the_background_and_drawn(comparison, tmp_path):
    widget = KShotComparison(comparison)
    said = []
    widget._status.observe(
        lambda change: said.append((widget._status.kind, change["new"])), "value"
    )
    widget.controls.by_choice["view"].value = "gates"
    assert widget.method == "adafilter"
    assert shown(drawn(widget)) == {"view", "shot"}
    assert said[0][0] == "busy"
    assert "Tuning adafilter on the first test episode" in said[0][1]
    assert widget._status.kind == "done"
    assert widget._picture.layout.display == ""
    assert widget._picture.value == to_png(widget.figure())
    pd.testing.assert_frame_equal(widget.frame(), TunedGates(comparison).frame("adafilter", 3, 1))
    assert widget._table.value.count("<tr>") == 1 + len(widget.frame())
    table = pd.read_csv(widget.export(tmp_path / "gates.csv"))
    assert len(table) == len(widget.frame())
    assert widget.shown.file_name("png") == "comparison_gates_1_shot.png"
    said.clear()
    widget.view = "shots"
    drawn(widget)
    widget.view = "gates"
    # It is tuned once.
    drawn(widget)
    assert {kind for kind, _ in said} == {"done"}
    widget.shot = 2
    pd.testing.assert_frame_equal(
        drawn(widget).frame(), TunedGates(comparison).frame("adafilter", 3, 2)
    )
    widget.close()


@pytest.mark.slow
def test_of_several_methods_with_gates_one_is_chosen():
    widget = KShotComparison(compared("plain", "adafilter", STATIC))
    widget.view = "gates"
    assert shown(drawn(widget)) == {"view", "shot", "method"}
    offered = widget.controls.by_choice["method"]
    assert {name for _, name in offered.options} == {"adafilter", "static"}
    offered.value = "static"
    assert widget.method == "static"
    assert drawn(widget).frame()["within"].eq(1).all()
    with pytest.raises(KShotKeyError, match="`method` must be one of 'adafilter', 'static'"):
        widget.method = "plain"
    widget.view = "confusion"
    assert len(offered.options) == 3
    assert (widget.method, offered.value) == ("static", "static")
    drawn(widget).close()


def test_without_gates_network_or_images_there_is_no_such_view(comparison, tmp_path):
    loaded = kv.Comparison.load(comparison.save(tmp_path / "out"))
    for one in (hand_made(), loaded):
        widget = KShotComparison(one, data=DATA if one is loaded else None)
        names = [name for _, name in widget.controls.by_choice["view"].options]
        assert names == ["shots", "step_size", "episodes", "confusion", "changed"]
        with pytest.raises(KShotKeyError, match="`view` must be one of"):
            widget.view = "gates"
        drawn(widget).close()
