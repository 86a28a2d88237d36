"""Gates as a picture: a row a layer, a column a class, and how far gates agree beside each row."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz import viz
from kshot_viz.methods.adafilter.gates import COLUMNS, gate_frame, gates_by_layer
from kshot_viz.methods.adafilter.method import AdaFilter
from kshot_viz.methods.adafilter.twins import gates_of
from kshot_viz.viz.neurons.gates import agreement_frame, draw_gates
from kshot_viz.viz.style.dark_mode import recolour

DATA = toy_data(3, 20)
SUPPORT, QUERY = kv.sample_episodes(DATA, way=3, shot=2, query=5, n=1, seed=0)[0].split(DATA)
CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=6)


def tuned(method="adafilter"):
    return kv.finetune(toy_backbone(), SUPPORT, method=method, config=CONFIG)


@pytest.fixture(scope="module")
def result():
    return tuned()


def made_up(layers, classes, **values):
    rows = [
        {"layer": f"stage.block{i}.conv", "class": f"class number {c}", "images": 4, "channels": 8}
        | {"rate": (i + c) % 7 / 6, "within": 0.9, "between": 0.8}
        | values
        for i in range(layers)
        for c in range(classes)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_cells_are_the_rates_of_the_frame(result):
    labels = result.classes[QUERY.targets]
    frame = gate_frame(result, QUERY.images, labels)
    ax = viz.plot_gates(result, QUERY.images, labels)
    assert [one.get_text() for one in ax.get_yticklabels()] == ["conv", "deep"]
    assert [one.get_text() for one in ax.get_xticklabels()] == sorted(set(labels))
    drawn = np.asarray(ax.images[0].get_array())
    assert drawn == pytest.approx(100 * frame["rate"].to_numpy().reshape(2, 3))
    cells = [one for one in ax.texts if one.get_text().isdigit()][: drawn.size]
    assert [int(one.get_text()) for one in cells] == [int(f"{one:.0f}") for one in drawn.ravel()]
    before = [one.get_color() for one in cells]
    recolour(ax.figure, dark=True)
    assert [one.get_color() for one in cells] == before


def test_agreement_is_that_of_all_pairs_of_images(result):
    labels = np.array(["x"] * 4 + ["y"] * 9 + ["z"])
    images = QUERY.images[: len(labels)]
    found = agreement_frame(gate_frame(result, images, labels)).set_index("layer")
    for layer, gates in gates_by_layer(result, gates_of(result.backbone), images).items():
        same = {True: [], False: []}
        for i, j in itertools.combinations(range(len(labels)), 2):
            same[bool(labels[i] == labels[j])].append(np.mean(gates[i] == gates[j]))
        assert found.loc[layer, "within"] == pytest.approx(np.mean(same[True]))
        assert found.loc[layer, "between"] == pytest.approx(np.mean(same[False]))


def test_the_dots_stand_in_the_rows_of_their_layers(result):
    frame = gate_frame(result, QUERY.images, QUERY.targets)
    ax = draw_gates(frame)
    between, within = ax.lines
    found = agreement_frame(frame)
    assert list(within.get_ydata()) == list(between.get_ydata()) == [0, 1]
    # The same scale for both, so equal steps are equally far apart.
    x = np.concatenate([within.get_xdata(), between.get_xdata()])
    value = found[["within", "between"]].to_numpy().T.ravel()
    assert np.corrcoef(x, value)[0, 1] == pytest.approx(1)
    assert x.min() > 2.5


def test_gates_that_all_agree_and_single_images_are_drawn():
    static = tuned(AdaFilter(gate="static", rate=0.5))
    ax = viz.plot_gates(static, QUERY.images, QUERY.targets)
    assert len(ax.lines) == 2
    alone = viz.plot_gates(static, QUERY.images[:1], ["c0"])
    assert not alone.lines
    for one in (ax, alone):
        assert viz.to_png(one).startswith(b"\x89PNG")


@pytest.mark.parametrize(("layers", "classes"), [(1, 2), (121, 5), (12, 60)])
def test_names_are_as_many_as_there_is_room_for(layers, classes):
    ax = draw_gates(made_up(layers, classes))
    figure = ax.figure
    figure.canvas.draw()
    for labels, side in ((ax.get_yticklabels(), "y"), (ax.get_xticklabels(), "x")):
        boxes = [one.get_window_extent() for one in labels]
        edges = [(b.y0, b.y1) if side == "y" else (b.x0, b.x1) for b in boxes]
        edges.sort()
        assert all(after[0] > one[1] - 2 for one, after in itertools.pairwise(edges))
    assert figure.get_figheight() < 13
    numbered = any(one.get_text() == "0" for one in ax.texts)
    assert numbered == (layers * classes < 100)


def test_it_draws_where_it_is_told(result):
    from matplotlib.figure import Figure

    given = Figure(figsize=(8, 4), layout="constrained").subplots(1, 2)
    assert viz.plot_gates(result, QUERY.images, QUERY.targets, ax=given[1]) is given[1]


def test_other_networks_are_refused():
    with pytest.raises(kv.KShotError, match="no gates"):
        viz.plot_gates(tuned("plain"), QUERY.images, QUERY.targets)
