"""Graphs as JSON of this library and of TopoAct, as tables, as networkx, and as HTML."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from kshot_viz.analysis import MapperGraph, mapper_graph
from kshot_viz.errors import KShotFileError

rng = np.random.default_rng(0)
POINTS = np.concatenate([rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + 3])
LABELS = ["<b>low</b>"] * 60 + ["high"] * 60


@pytest.fixture(scope="module", params=["norm", "pca2"])
def graph(request):
    return mapper_graph(POINTS, request.param, labels=LABELS, intervals=4, epsilon=2.0)


def test_json_reloads_equal(graph, tmp_path):
    path = graph.save(tmp_path / "graph.json")
    loaded = MapperGraph.load(path)
    assert loaded == graph
    assert hash(loaded) == hash(graph)
    assert loaded.frame().equals(graph.frame())
    assert loaded.edges_frame().equals(graph.edges_frame())
    assert (loaded.lens == graph.lens).all()
    assert loaded.interval(loaded.nodes[-1]) == graph.interval(graph.nodes[-1])
    assert MapperGraph.from_topoact(json.loads(json.dumps(graph.to_topoact()))) == graph
    assert graph != mapper_graph(POINTS, labels=LABELS, intervals=5, epsilon=2.0)
    assert graph != 1


def test_a_file_of_topoact_is_read():
    record = {
        "directed": False,
        "multigraph": False,
        "graph": {},
        "nodes": [
            {"id": "cube3_cluster0", "membership": [4, 1, 2], "top_classes": ["fox"],
             "top_class_percents": [0.67], "l2NormAvg": 5.5, "average_activation": [1.0, 2.0]},
            {"id": "cube4_cluster0", "membership": [2, 7], "top_classes": [],
             "top_class_percents": [], "l2NormAvg": 6.5, "average_activation": [2.0, 2.0]},
        ],
        "links": [{"source": "cube4_cluster0", "target": "cube3_cluster0", "intersection": 1}],
    }  # fmt: skip
    graph = MapperGraph.from_topoact(record)
    assert graph.n_points == 8
    assert graph.noise.tolist() == [0, 3, 5, 6]
    assert graph.jaccard.tolist() == [0.25]
    assert graph.nodes[0].bin == (3,)
    assert graph.frame()["top_class"].tolist()[0] == "fox"
    assert "settings not known" in repr(graph)
    again = graph.to_topoact()
    assert MapperGraph.from_topoact(again) == graph
    for ours, theirs in zip(again["nodes"], record["nodes"], strict=True):
        assert {key: ours[key] for key in theirs} == theirs | {"membership": ours["membership"]}


BROKEN = {
    "newer": lambda r: r["graph"].update(schema=2),
    "no nodes": lambda r: r.pop("nodes"),
    "negative": lambda r: r["nodes"][0]["membership"].__setitem__(0, -1),
    "twice": lambda r: r["nodes"].append(r["nodes"][0]),
    "too few rows": lambda r: r["graph"].update(n_points=3),
    "labels": lambda r: r["graph"]["labels"].pop(),
    "link": lambda r: r["links"][0].update(intersection=99),
    "no such node": lambda r: r["links"][0].update(source="cube99_cluster9"),
    "lens": lambda r: r["nodes"][0]["lens"].append(1.0),
    "shares": lambda r: r["nodes"][0]["top_class_percents"].clear(),
    "bin": lambda r: r["nodes"][0].update(bin=[50] * len(r["nodes"][0]["bin"])),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_records_are_refused(graph, how):
    record = copy.deepcopy(graph.to_topoact())
    BROKEN[how](record)
    with pytest.raises(KShotFileError, match=r"The record"):
        MapperGraph.from_topoact(record)


@pytest.mark.parametrize("content", ["", "[]", "3", '{"graph": 1}', '{"nodes": [}'])
def test_other_files_are_refused_by_name(tmp_path, content):
    path = tmp_path / "graph.json"
    path.write_text(content)
    with pytest.raises(KShotFileError, match=r"graph\.json"):
        MapperGraph.load(path)


def test_tables_and_networkx_agree(graph):
    networkx = pytest.importorskip("networkx")
    net = graph.to_networkx()
    frame, edges = graph.frame(), graph.edges_frame()
    assert len(frame) == net.number_of_nodes() == len(graph.nodes)
    assert len(edges) == net.number_of_edges()
    found = graph.summary()
    assert networkx.number_connected_components(net) == found.components
    assert len(networkx.cycle_basis(net)) == found.loops
    assert sum(degree >= 3 for _, degree in net.degree) == found.branches
    assert frame["component"].nunique() == found.components
    assert frame["degree"].tolist() == [net.degree[name] for name in frame["node"]]
    assert ("lens" in frame) != ("lens_2" in frame)
    for row in edges.itertuples():
        assert net.edges[row.source, row.target]["jaccard"] == row.jaccard
    json.dumps(networkx.node_link_data(net))


def test_shown_with_noise_counted_and_names_escaped(graph):
    found = graph.summary()
    text = f"{found.covered:,} of 120 rows covered, {found.noise:,} noise"
    assert text in repr(graph)
    html = graph._repr_html_()
    assert text in html
    assert "<b>" not in html
    assert "&lt;b&gt;low" in html
