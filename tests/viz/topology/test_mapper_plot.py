"""The picture of a Mapper graph: one mark a node, one line an edge, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex

from kshot_viz import viz
from kshot_viz.analysis import mapper_graph
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.style.colours import group_colours
from kshot_viz.viz.style.dark_mode import recolour
from kshot_viz.viz.topology.layout import graph_layout
from kshot_viz.viz.topology.mapper_plot import _mapper_frame

rng = np.random.default_rng(0)
POINTS = np.concatenate([rng.normal(size=(80, 3)), rng.normal(size=(80, 3)) + 7])
LABELS = ["$a$"] * 80 + ["b"] * 80
GRAPH = mapper_graph(POINTS, labels=LABELS, intervals=8, epsilon=1.5)


def drawn(ax, kind):
    (one,) = [artist for artist in ax.collections if isinstance(artist, kind)]
    return one


@pytest.mark.parametrize("colour_by", ["class", "norm", "purity", "size"])
def test_a_mark_for_each_node_and_a_line_for_each_edge(colour_by):
    ax = viz.plot_mapper(GRAPH, colour_by=colour_by)
    nodes = drawn(ax, PathCollection)
    assert len(nodes.get_offsets()) == len(GRAPH.nodes)
    lines = drawn(ax, LineCollection)
    assert len(lines.get_segments()) == len(GRAPH.edges)
    at = np.asarray(nodes.get_offsets())
    for (first, second), segment in zip(GRAPH.edges, lines.get_segments(), strict=True):
        assert np.allclose(segment, at[[first, second]])
    assert np.corrcoef(lines.get_linewidths(), GRAPH.jaccard)[0, 1] > 0.999
    order = np.argsort(GRAPH.sizes, kind="stable")
    assert (np.diff(nodes.get_sizes()[order]) >= 0).all()
    assert f"{len(GRAPH.nodes)} nodes" in ax.get_title(loc="left")
    assert any(f"{len(GRAPH.noise)} are noise" in one.get_text() for one in ax.texts)
    if colour_by != "class":
        assert np.allclose(nodes.get_array(), GRAPH.frame()[colour_by])
    assert viz.to_png(ax)


def test_classes_have_colours_and_names():
    ax = viz.plot_mapper(GRAPH, colour_by="class")
    colours = dict(zip(["$a$", "b"], group_colours(range(2)), strict=True))
    shown = [to_hex(one).upper() for one in drawn(ax, PathCollection).get_facecolors()]
    assert shown == [colours[one] for one in GRAPH.frame()["top_class"]]
    names = [one.get_text() for one in ax.get_legend().get_texts()]
    assert names[:2] == ["$a$", "b"]
    recolour(ax.figure, dark=True)
    assert viz.to_png(ax)


def test_of_many_classes_the_rest_is_grey():
    many = mapper_graph(POINTS, labels=np.arange(160), intervals=8, epsilon=0.9, min_samples=1)
    ax = viz.plot_mapper(many, colour_by="class")
    names = [one.get_text() for one in ax.get_legend().get_texts()]
    assert any("other class" in one for one in names)


def test_long_names_leave_room_for_the_graph():
    names = np.array([f"a class with a long name, number {one}" for one in range(10)])
    many = mapper_graph(POINTS, labels=names[np.arange(160) % 10], epsilon=0.9, min_samples=1)
    ax = viz.plot_mapper(many, colour_by="class")
    assert viz.to_png(ax)
    assert ax.get_position().width > 0.8
    assert ax.get_position().height > 0.4


def test_a_large_graph_says_what_is_left_out():
    ax = viz.plot_mapper(GRAPH, most_nodes=4)
    assert len(drawn(ax, PathCollection).get_offsets()) == 4
    left = len(GRAPH.nodes) - 4
    text = " ".join(one.get_text() for one in ax.texts).replace("\n", " ")
    assert f"only the 4 largest nodes are drawn, {left} are left out" in text


def test_the_layout_is_that_of_its_seed_and_components_do_not_overlap():
    frame = _mapper_frame(GRAPH, 300, 0)
    assert frame.equals(_mapper_frame(GRAPH, 300, 0))
    boxes = frame.groupby("component")[["x", "y"]].agg(["min", "max"]).to_numpy()
    for index, (left, right, low, high) in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert right < other[0] or other[1] < left or high < other[2] or other[3] < low


def test_large_components_have_a_layout_for_each_seed():
    line = np.linspace(0, 1, 2000)[:, None]
    graph = mapper_graph(line, intervals=160, epsilon=0.01)
    assert graph.summary().components == 1
    every = np.arange(len(graph.nodes))
    first, again, other = (graph_layout(graph, every, seed=seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert not np.allclose(first, other)


def test_what_cannot_be_drawn():
    with pytest.raises(KShotKeyError, match="colour_by"):
        viz.plot_mapper(GRAPH, colour_by="sizes")
    plain = mapper_graph(POINTS, intervals=8, epsilon=1.5)
    for name in ("class", "purity"):
        with pytest.raises(KShotValueError, match="labels"):
            viz.plot_mapper(plain, colour_by=name)
