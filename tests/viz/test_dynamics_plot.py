"""The picture of a run from inside: a panel a layer, a line a method, baselines beside."""

from __future__ import annotations

import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.analysis import finetune_dynamics
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz import plot_dynamics, to_png
from kshot_viz.viz.style.dark_mode import recolour


@pytest.fixture(scope="module")
def found():
    data, other = toy_data(per_class=4), toy_data(per_class=6, seed=1)
    return finetune_dynamics(
        toy_backbone(), data, images=other, methods=["plain", "head_only"],
        config=kv.FinetuneConfig(steps=2), at=(0, 2), draws=1,
    )  # fmt: skip


def panels(figure):
    return {ax.get_title(): ax for ax in figure.axes if ax.axison}


def test_a_panel_a_layer_and_a_line_a_method(found):
    figure = plot_dynamics(found, "f-RWA")
    shown = panels(figure)
    assert list(shown) == ["accuracy of 18 images, %", *found.layers]
    frame = found.frame().query("layer == 'deep' and measure == 'f-RWA'")
    lines = {line.get_label(): line for line in shown["deep"].lines}
    assert set(lines) == {"plain", "head only", "untrained", "null"}
    for method, label in (("plain", "plain"), ("head_only", "head only")):
        own = frame[frame["method"] == method]
        assert lines[label].get_ydata() == pytest.approx(own["value"].to_numpy())
    assert [one.get_text() for one in shown["deep"].get_xticklabels()] == ["0", "2"]
    assert len({ax.get_ylim() for name, ax in shown.items() if "accuracy" not in name}) == 1
    assert {one.get_text() for one in figure.legends[0].get_texts()} == set(lines)
    assert to_png(recoloured(figure))


def recoloured(figure):
    recolour(figure, dark=True)
    return figure


def test_layers_without_values_have_no_panel(found):
    assert list(panels(plot_dynamics(found, "energy kept")))[1:] == [
        name for name in found.layers if name != "head.linear"
    ]
    assert list(panels(plot_dynamics(found, layers=["deep"])))[1:] == ["deep"]


def test_refusals(found):
    with pytest.raises(KShotKeyError, match="f-RWA"):
        plot_dynamics(found, "f-RWB")
    with pytest.raises(KShotKeyError, match="deep"):
        plot_dynamics(found, layers=["depp"])
    with pytest.raises(KShotValueError, match="finetune_dynamics"):
        plot_dynamics(found.frame())
