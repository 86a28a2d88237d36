"""Colours of nodes: of classes and groups the most frequent one, of numbers a ramp."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from kshot_viz.analysis import mapper_graph
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.style.colours import DEAD_COLOUR, group_colours
from kshot_viz.viz.topology.graph_view import MOST_EDGES, draw_graph_view, graph_view
from kshot_viz.viz.topology.node_colours import Kinds, Known, node_colours

rng = np.random.default_rng(0)
POINTS = np.concatenate([rng.normal(size=(80, 3)), rng.normal(size=(80, 3)) + 7])
LABELS = ["$a$"] * 80 + ["b"] * 80
GRAPH = mapper_graph(POINTS, labels=LABELS, intervals=8, epsilon=1.5)


def test_the_most_frequent_class_has_its_colour():
    kinds = Kinds.of(LABELS)
    found = node_colours(GRAPH, "class", Known(classes=kinds))
    assert found.legend == tuple(zip(("$a$", "b"), group_colours(range(2)), strict=True))
    own = dict(found.legend)
    shades = [to_hex(one).upper() for one in found.rgb]
    assert shades == [own[one] for one in GRAPH.frame()["top_class"]]


def test_top_kinds_are_those_of_the_library():
    kinds = Kinds.of(LABELS)
    for node in GRAPH.nodes:
        top = kinds.top(node.members)
        assert tuple(name for name, _ in top) == node.classes
        assert tuple(share for _, share in top) == pytest.approx(node.shares)


def test_of_many_kinds_the_rare_ones_are_grey():
    labels = [f"k{min(i // 10, 9)}" for i in range(100)] + [f"rare{i}" for i in range(60)]
    kinds = Kinds.of(labels)
    rare = [
        colour for name, colour in zip(kinds.names, kinds.colours, strict=True) if "rare" in name
    ]
    assert set(rare) == {DEAD_COLOUR}
    assert len(set(kinds.colours)) == 11


def test_numbers_are_a_ramp_and_purity_one_from_0_to_1():
    known = Known(classes=Kinds.of(LABELS))
    norms = node_colours(GRAPH, "norm", known)
    assert norms.scale == pytest.approx((GRAPH.frame()["norm"].min(), GRAPH.frame()["norm"].max()))
    assert node_colours(GRAPH, "purity", known).scale == (0, 1)
    assert norms.rgb.shape == (len(GRAPH.nodes), 3)


def test_a_match_has_three_levels():
    match = np.zeros(len(GRAPH.nodes))
    match[:2] = 0.5, 0.1
    found = node_colours(GRAPH, "match", Known(match=match))
    assert [text.split()[0] for text, _ in found.legend] == ["matched:", "matched", "only"]
    assert len(np.unique(found.rgb, axis=0)) == 3


@pytest.mark.parametrize("by", ["class", "purity", "group", "match"])
def test_what_is_not_known_is_no_colour(by):
    with pytest.raises(KShotValueError, match=f"colour_by={by!r} is not known here: give"):
        node_colours(GRAPH, by, Known())


def test_unknown_colourings_are_refused():
    with pytest.raises(KShotKeyError, match="Did you mean 'norm'"):
        node_colours(GRAPH, "nrom", Known())


def test_the_lens_grows_to_the_right():
    view = graph_view(GRAPH, "a", most_nodes=300, seed=0)
    component = GRAPH.frame()["component"].to_numpy()
    lens = GRAPH.frame()["lens"].to_numpy()
    for one in np.unique(component):
        own = np.flatnonzero(component == one)
        x = view.positions[own, 0]
        assert ((x - x.mean()) * (lens[own] - lens[own].mean())).sum() >= 0


def test_the_strongest_edges_are_drawn_where_there_are_too_many(monkeypatch):
    assert len(GRAPH.edges) < MOST_EDGES
    monkeypatch.setattr("kshot_viz.viz.topology.graph_view.MOST_EDGES", 3)
    view = graph_view(GRAPH, "a", most_nodes=300, seed=0)
    assert sorted(view.weights) == sorted(np.sort(GRAPH.jaccard)[-3:])
    assert f"only the 3 strongest of {len(GRAPH.edges)} edges are drawn" in view.note
    ax = draw_graph_view(view, node_colours(GRAPH, "norm", Known()))
    assert len(ax.collections[0].get_segments()) == 3
