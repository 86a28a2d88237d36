"""The picture of a Mapper graph: one mark a node, one line an edge, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.legend import Legend

from kshot_viz import viz
from kshot_viz.analysis import mapper_graph
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.style.colours import group_colours
from kshot_viz.viz.style.dark_mode import recolour
from kshot_viz.viz.topology.layout import graph_layout
from kshot_viz.viz.topology.mapper_plot import _mapper_frame
from kshot_viz.viz.topology.node_colours import Kinds, Known, node_colours

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
    assert names[-1].endswith(" more")


def test_a_class_keeps_its_colour_in_another_graph_of_the_rows_and_in_the_explorer():
    # In the second graph "a" tops no node, so that colours by what is drawn would move up.
    names = np.array(["a"] * 40 + ["b"] * 60 + ["c"] * 60)
    three = POINTS + np.repeat([20.0, 0.0, 0.0], (40, 40, 80))[:, None]
    before = mapper_graph(three, labels=names, intervals=8, epsilon=1.5)
    apart = POINTS.copy()
    apart[:40] += 100 * np.arange(40)[:, None]
    after = mapper_graph(apart, labels=names, intervals=20, epsilon=1.5)
    assert "a" not in set(after.frame()["top_class"])
    shades = []
    for graph in (before, after):
        ax = viz.plot_mapper(graph, colour_by="class")
        found = [to_hex(one) for one in drawn(ax, PathCollection).get_facecolors()]
        explored = node_colours(graph, "class", Known(classes=Kinds.of(names))).rgb
        assert found == [to_hex(one) for one in explored]
        shades.append(dict(zip(graph.frame()["top_class"], found, strict=True)))
    assert shades[1] == {one: shades[0][one] for one in shades[1]}
    assert len(set(shades[0].values())) == 3


def test_a_graph_of_another_program_has_classes_without_labels():
    bare = replace(GRAPH, labels=None)
    assert viz.to_png(viz.plot_mapper(bare, colour_by="class"))


def test_a_title_of_ones_own_leaves_the_counts_in_the_note():
    ax = viz.plot_mapper(GRAPH, title="after $tuning")
    assert ax.get_title(loc="left") == "after $tuning"
    text = " ".join(one.get_text() for one in ax.texts).replace("\n", " ")
    assert f"{len(GRAPH.nodes)} nodes, {len(GRAPH.edges)} edges" in text
    assert viz.to_png(ax)


def test_no_circle_of_the_legend_lies_over_a_class():
    ax = viz.plot_mapper(GRAPH, colour_by="class")
    viz.to_png(ax)
    sizes, classes = (one for one in ax.get_children() if isinstance(one, Legend))
    if "rows" in classes.get_texts()[0].get_text():
        sizes, classes = classes, sizes
    assert len(sizes.get_texts()) == 4
    boxes = [one.get_window_extent() for one in (sizes, classes)]
    assert boxes[1].y1 <= boxes[0].y0 + 0.5
    lines = [one for one in sizes.get_lines() if one.get_marker() == "o"]
    assert min(one.get_window_extent().y0 for one in lines) >= boxes[1].y1


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
