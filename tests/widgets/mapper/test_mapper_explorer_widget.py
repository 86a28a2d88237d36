"""The explorer of Mapper graphs without a browser: sent, selected, made anew, refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from traitlets import TraitError

import kshot_viz as kv
from kshot_viz.activations import Activations
from kshot_viz.analysis import MapperGraph, activation_points, mapper_graph
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.widgets.explorer.neuron_map import NeuronMap
from kshot_viz.widgets.mapper.graph_files import graph_file, picture
from kshot_viz.widgets.mapper.mapper_canvas import MapperCanvas
from kshot_viz.widgets.mapper.mapper_explorer import MapperExplorer
from kshot_viz.widgets.mapper.scene import EARLIER

PATIENCE = 60
rng = np.random.default_rng(0)
# Two clouds, and three rows far from both and from each other.
POINTS = np.concatenate(
    [rng.normal(size=(80, 3)), rng.normal(size=(80, 3)) + 7, [[5, -5, 0], [-5, 0, 6], [0, 5, -6]]]
)
LABELS = ["<b>a</b>"] * 80 + ["b"] * 83
SETTINGS: dict[str, Any] = {"intervals": 14, "epsilon": 1.5}


@pytest.fixture
def explore() -> Callable[..., MapperExplorer]:
    def make(points: Any = POINTS, labels: Any = LABELS, **options: Any) -> MapperExplorer:
        made = MapperExplorer(points, labels, **(SETTINGS | options))
        assert made.wait(PATIENCE)
        return made

    return make


def pick(canvas: MapperCanvas, marks: list[Any], edition: int | None = None) -> None:
    """Say what the browser says where somebody clicks."""
    known = canvas.edition if edition is None else edition
    canvas._handle_custom_msg({"kind": "pick", "edition": known, "marks": marks}, [])


def floats(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<f4")


def test_the_graph_is_that_of_the_library_and_travels_as_bytes(explore):
    shown = explore()
    graph = mapper_graph(POINTS, labels=LABELS, **SETTINGS)
    assert [one.name for one in shown.graphs[0].nodes] == [one.name for one in graph.nodes]
    canvas, marks = shown.scene.canvases[0], len(graph.nodes) + 1
    assert canvas.noise == len(graph.noise) > 0
    assert len(floats(canvas.points)) == 2 * marks
    assert np.frombuffer(canvas.edges, "<i4").reshape(-1, 2).tolist() == graph.edges.tolist()
    np.testing.assert_allclose(floats(canvas.weights), graph.jaccard, rtol=1e-6)
    radii = floats(canvas.radii)[:-1]
    order = np.argsort(graph.sizes, kind="stable")
    assert (np.diff(radii[order]) >= 0).all()
    assert len(canvas.words) == len(canvas.marks) == len(canvas.colours) / 3 == marks
    assert "<b>a</b> 100 %" in "\n".join(canvas.words)
    assert f"{canvas.noise} are noise" in canvas.note


def test_a_click_selects_exactly_the_rows_of_a_node(explore):
    shown, heard = explore(), []
    shown.observe(lambda change: heard.append(change["new"]), "selected")
    for mark, node in enumerate(shown.graphs[0].nodes[:4]):
        pick(shown.scene.canvases[0], [mark])
        assert shown.selected == node.members.tolist()
        assert floats(shown.scene.canvases[0].shares)[mark] == 1
        assert np.frombuffer(shown.scene.canvases[0].picked, "<i4").tolist() == [mark]
    assert heard == [one.members.tolist() for one in shown.graphs[0].nodes[:4]]
    pick(shown.scene.canvases[0], [])
    assert shown.selected == []


def test_several_nodes_and_noise_are_their_rows_together(explore):
    shown = explore()
    graph, canvas = shown.graphs[0], shown.scene.canvases[0]
    pick(canvas, [0, 1])
    both = np.union1d(graph.nodes[0].members, graph.nodes[1].members)
    assert shown.selected == both.tolist()
    pick(canvas, [len(graph.nodes)])
    assert shown.selected == graph.noise.tolist()
    assert "noise" in shown.panel.status.value


def test_what_no_browser_can_mean_is_not_taken(explore):
    shown = explore()
    canvas = shown.scene.canvases[0]
    pick(canvas, [0])
    before = shown.selected
    pick(canvas, [1], edition=canvas.edition - 1)
    assert shown.selected == before
    pick(canvas, [-1, 10_000, "0", None])
    assert shown.selected == []
    canvas._handle_custom_msg({"kind": "move", "edition": canvas.edition}, [b"1234"])
    assert to_png(shown.figure())


def test_rows_can_be_selected_from_python(explore):
    shown = explore()
    shown.selected = [5, 3, 5]
    assert shown.selected == [3, 5]
    shares = floats(shown.scene.canvases[0].shares)
    held = [np.isin(one.members, [3, 5]).mean() for one in shown.graphs[0].nodes]
    np.testing.assert_allclose(shares[:-1], held, rtol=1e-6)
    assert shown.frame()["selected"].sum() >= 2
    for bad in ([len(POINTS)], [-1]):
        with pytest.raises(TraitError, match="must be rows 0 to 162"):
            shown.selected = bad
    assert shown.selected == [3, 5]


def test_a_node_that_was_moved_stays_where_it_is_until_it_is_released(explore):
    shown = explore()
    canvas = shown.scene.canvases[0]
    before = canvas.points
    moved = floats(before).copy()
    moved[0] += 5
    message = {"kind": "move", "edition": canvas.edition, "pinned": [0]}
    canvas._handle_custom_msg(message, [memoryview(moved.tobytes())])
    assert canvas.points == moved.tobytes()
    assert np.frombuffer(canvas.pinned, "<i4").tolist() == [0]
    assert shown.scene.views()[0].positions[0, 0] == pytest.approx(moved[0])
    canvas._handle_custom_msg({"kind": "release", "edition": canvas.edition}, [])
    assert (canvas.points, canvas.pinned) == (before, b"")


def test_a_parameter_makes_another_graph_and_keeps_the_selection(explore):
    shown = explore()
    pick(shown.scene.canvases[0], [0])
    chosen, edition = shown.selected, shown.scene.canvases[0].edition
    shown.controls.intervals.value = 5
    assert shown.wait(PATIENCE)
    assert shown.graphs[0] == mapper_graph(POINTS, labels=LABELS, **(SETTINGS | {"intervals": 5}))
    assert shown.scene.canvases[0].edition == edition + 1
    assert shown.selected == chosen
    assert floats(shown.scene.canvases[0].shares).max() > 0


@pytest.mark.parametrize(
    ("control", "value", "argument"),
    [
        ("lens", "pca", "lens"),
        ("overlap", 0.5, "overlap"),
        ("cover", "balanced", "cover"),
        ("clusterer", "agglomerative", "clusterer"),
        ("epsilon", 2.5, "epsilon"),
        ("min_samples", 3, "min_samples"),
    ],
)
def test_every_control_is_an_argument_of_the_library(explore, control, value, argument):
    shown = explore()
    getattr(shown.controls, control).value = value
    assert shown.wait(PATIENCE)
    assert shown.graphs[0] == mapper_graph(POINTS, labels=LABELS, **(SETTINGS | {argument: value}))


def test_the_slider_starts_at_intervals_for_so_many_rows(explore):
    shown = explore(intervals=None)
    assert shown.controls.intervals.value == shown.graphs[0].settings["intervals"] == 11
    assert shown.graphs[0] == mapper_graph(POINTS, labels=LABELS, epsilon=1.5)


def test_closed_during_work_it_does_not_say_that_it_works(explore):
    shown = explore()
    shown.controls.intervals.value = 5
    assert shown.status.kind == "busy"
    shown.close()
    assert (shown.status.kind, "Making" in shown.status.value) == ("idle", False)
    assert shown.wait(PATIENCE)
    assert shown.status.kind == "idle"


def test_the_elbow_is_shown_and_can_be_left(explore):
    shown = explore(epsilon=None)
    found = shown.graphs[0].settings["epsilon"]
    assert shown.controls.epsilon.disabled
    assert shown.controls.epsilon.value == pytest.approx(found, rel=1e-3)
    shown.controls.automatic.value = False
    assert not shown.controls.epsilon.disabled
    assert shown.wait(PATIENCE)
    assert shown.graphs[0].settings["epsilon"] == shown.controls.epsilon.value
    shown.controls.clusterer.value = "hdbscan"
    assert shown.wait(PATIENCE)
    assert shown.graphs[0].settings["epsilon"] is None
    assert shown.controls.epsilon.disabled


def test_where_all_is_noise_a_message_says_which_epsilon_finds_a_cluster(explore):
    shown = explore()
    picture_before = shown.scene.canvases[0].points
    shown.controls.epsilon.value = 1e-6
    assert shown.wait(PATIENCE)
    assert shown.status.kind == "error"
    assert "All 163 rows are noise" in shown.status.value
    assert "epsilon=" in shown.status.value
    assert shown.scene.canvases[0].points == picture_before
    assert shown.scene.canvases[0].note.startswith(EARLIER)
    assert shown.scene.canvases[0].earlier
    (written,) = [one for one in shown.figure().axes[0].texts if "noise;" in one.get_text()]
    assert written.get_text().startswith(EARLIER)
    shown.controls.epsilon.value = 1.5
    assert shown.wait(PATIENCE)
    assert shown.status.kind == "done"
    assert EARLIER not in shown.scene.canvases[0].note
    assert not shown.scene.canvases[0].earlier
    never = MapperExplorer(POINTS, epsilon=1e-6)
    assert "All 163 rows are noise" in never.status.value
    assert never._repr_mimebundle_()
    for ask in (never.frame, never.figure):
        with pytest.raises(KShotValueError, match="There is no graph yet"):
            ask()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (POINTS[:1], "at least two rows; not 1"),
        (np.where(np.arange(3) == 1, np.nan, POINTS), "must be finite; 163 of 163 rows are not"),
        (np.ones((5, 3)), "All 5 rows of `points` are equal"),
        (np.arange(6.0), "shape \\(rows, features\\)"),
        ({}, "a mapping without any layer"),
        ({1: POINTS}, "`points` must be a mapping from names"),
    ],
)
def test_points_without_a_shape_are_refused(points, message):
    with pytest.raises(KShotValueError, match=message):
        MapperExplorer(points)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lens": "nrm"}, "Did you mean 'norm'"),
        ({"lens": np.ones(4)}, "for each of the 163 rows"),
        ({"cover": "even"}, "`cover` must be one of"),
        ({"clusterer": "kmeans"}, "`clusterer` must be one of"),
        ({"clusterer": "hdbscan"}, "takes no `epsilon`"),
        ({"overlap": 1.0}, "between 0 and 1"),
        ({"intervals": 1}, "`intervals` must be None or an integer >= 2"),
        ({"colour_by": "group"}, "`colour_by` must be one of"),
        ({"titles": ["a", "b"]}, "must name 1 graphs"),
        ({"groups": [0, 1]}, "one label for each of the 163 rows"),
        ({"after": POINTS[:9]}, "same rows in the same order; not of 163 and 9"),
        ({"after": {"a": POINTS}}, "both be mappings"),
        ({"after": POINTS * np.nan}, "^after: `points` must be finite"),
        ({"images": np.zeros((4, 8, 8), np.uint8)}, "163 images; not 4"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(options, message):
    with pytest.raises((KShotValueError, KShotKeyError), match=message):
        MapperExplorer(POINTS, LABELS, **(SETTINGS | options))


def test_colours_say_class_norm_purity_group_and_size(explore):
    shown = explore(groups=np.arange(163) % 2)
    canvas = shown.scene.canvases[0]
    offered = [value for _, value in shown.display.colour.options]
    assert offered == ["class", "norm", "purity", "group", "size"]
    assert [text for text, _ in canvas.legend] == ["<b>a</b>", "b"]
    seen = {canvas.colours}
    for one in offered[1:]:
        shown.display.colour.value = one
        seen.add(canvas.colours)
        assert bool(canvas.scale.get("ramp")) == (one != "group")
        assert to_png(shown.figure())
    assert len(seen) == len(offered)
    norms = [one.norm for one in shown.graphs[0].nodes]
    shown.display.colour.value = "norm"
    assert (canvas.scale["low"], canvas.scale["high"]) == (min(norms), max(norms))


def test_weak_edges_are_hidden_in_the_figure_too(explore):
    shown = explore()
    shown.display.least.value = 0.2
    assert shown.scene.canvases[0].least == 0.2
    lines = shown.figure().axes[0].collections[0].get_segments()
    assert len(lines) == (shown.graphs[0].jaccard >= 0.2).sum() < len(shown.graphs[0].edges)


def test_a_search_leaves_only_nodes_that_hold_the_class(explore):
    shown = explore()
    shown.display.search.value = "A<"
    assert "0 rows" in shown.display.found.value
    shown.display.search.value = "<B>A"
    found = floats(shown.scene.canvases[0].found)
    held = [(one.members < 80).mean() for one in shown.graphs[0].nodes]
    np.testing.assert_allclose(found[:-1], held, rtol=1e-6)
    assert "80 rows" in shown.display.found.value
    shown.display.search.value = " "
    assert shown.scene.canvases[0].found == b""


def test_names_are_escaped_on_the_page(explore):
    shown = explore()
    shown.select(range(4))
    assert "&lt;b&gt;a&lt;/b&gt;" in shown.panel.table.value
    assert "<b>a" not in shown.panel.table.value


def test_of_a_large_graph_the_largest_nodes_are_drawn_and_the_note_says_so(explore):
    shown = explore(most_nodes=5)
    canvas, graph = shown.scene.canvases[0], shown.graphs[0]
    assert len(floats(canvas.radii)) == 6
    left = len(graph.nodes) - 5
    assert f"only the 5 largest nodes are drawn, {left} are left out" in canvas.note
    view = shown.scene.views()[0]
    pick(canvas, [4])
    assert shown.selected == graph.nodes[view.kept[4]].members.tolist()
    assert graph.sizes[view.kept].min() >= np.sort(graph.sizes)[-5]


def test_two_states_show_the_same_rows(explore):
    shown = explore(after=POINTS[:, ::-1] * 1.1)
    assert [one.title for one in shown.scene.canvases] == ["before", "after"]
    pick(shown.scene.canvases[1], [2])
    rows = shown.graphs[1].nodes[2].members
    assert shown.selected == rows.tolist()
    for canvas, graph in zip(shown.scene.canvases, shown.graphs, strict=True):
        held = [np.isin(one.members, rows).mean() for one in graph.nodes]
        np.testing.assert_allclose(floats(canvas.shares)[: len(held)], held, rtol=1e-6)
    assert shown.scene.canvases[0].picked == b""
    shown.display.colour.value = "match"
    assert "matched" in shown.scene.canvases[0].legend[0][0]
    assert set(shown.frame()["graph"]) == {"before", "after"}
    assert len(shown.figure().axes) == 2


def test_it_opens_on_activations_of_images_with_their_classes(
    backbone: Backbone, data: ImageDataset
):
    points = activation_points(backbone, data, "deep")
    shown = MapperExplorer(points, images=data, intervals=4, min_samples=2)
    assert shown.scene.canvases[0].title == "deep"
    pick(shown.scene.canvases[0], [0])
    assert shown.wait(PATIENCE)
    row = shown.selected[0]
    assert f"row {row}, {data.labels[row]}" in shown.panel.pictures.value
    assert shown.panel.pictures.value.count("<img") == min(12, len(shown.selected))
    pick(shown.scene.canvases[0], [])
    assert shown.wait(PATIENCE)
    assert shown.panel.pictures.value == ""


def test_labels_of_images_are_those_of_their_rows(backbone: Backbone, data: ImageDataset):
    points = activation_points(backbone, data, "deep", positions="all")
    shown = MapperExplorer(points, data.labels, images=data, intervals=4)
    assert shown.scene.shown.known[0].classes.codes.tolist() == data.targets[points.image].tolist()


def test_a_network_is_opened_layer_by_layer(backbone: Backbone, data: ImageDataset):
    shown = MapperExplorer.of(backbone, data, after=backbone, intervals=4, min_samples=2)
    assert shown.controls.choice.options == tuple(backbone.layers)
    assert [one.title for one in shown.scene.canvases] == ["conv, before", "conv, after"]
    shown.controls.choice.value = "deep"
    assert shown.wait(PATIENCE)
    points = activation_points(backbone, data, "deep").points
    assert shown.graphs[0] == mapper_graph(points, labels=data.labels, intervals=4, min_samples=2)
    with pytest.raises(KShotKeyError, match="`layers` must be one of 'conv', 'deep'; not 'dep'"):
        MapperExplorer.of(backbone, data, ["dep"])


def test_a_node_selects_exactly_its_neurons_in_a_map(acts: Activations, grouping: Any):
    neurons = NeuronMap(acts, "deep", grouping)
    shown = MapperExplorer(acts["deep"], neurons=neurons, intervals=2, min_samples=1)
    assert shown.display.colour.value == "group"
    pick(shown.scene.canvases[0], [0])
    assert neurons.selected.tolist() == shown.selected == shown.graphs[0].nodes[0].members.tolist()
    neurons.select([1, 2])
    assert shown.selected == [1, 2]
    neurons.regroup(NeuronMap(acts, "deep", kv.cluster_neurons(acts, n_groups=1)).groups)
    assert len(shown.scene.canvases[0].legend) == 1
    shown.close()
    neurons.select([4])
    assert shown.selected == [1, 2]


def test_a_map_can_be_linked_later_and_must_have_as_many_neurons(acts: Activations, grouping: Any):
    shown = MapperExplorer(acts["deep"], intervals=2, min_samples=1)
    assert shown.display.colour.value == "norm"
    with pytest.raises(KShotValueError, match="8 rows and 6 neurons of 'conv'"):
        shown.link(NeuronMap(acts, "conv", grouping))
    neurons = NeuronMap(acts, "deep", grouping)
    shown.link(neurons)
    assert "group" in [value for _, value in shown.display.colour.options]
    shown.select([3])
    assert neurons.selected.tolist() == [3]


def test_layers_of_neurons_are_chosen_from_a_list(acts: Activations):
    shown = MapperExplorer(acts, intervals=2, min_samples=1)
    assert shown.controls.choice.options == ("conv", "deep")
    shown.controls.choice.value = "deep"
    assert shown.wait(PATIENCE)
    assert shown.graphs[0].n_points == 8


def test_files_are_the_graph_and_the_picture(explore):
    shown = explore(titles=["../a layer/1"])
    name, kind, content = graph_file(shown.scene, 0)
    assert (name, kind) == (".._a_layer_1.json", "application/json")
    assert MapperGraph.from_topoact(json.loads(content)) == shown.graphs[0]
    assert picture(shown.scene)[2].startswith(b"\x89PNG")


def test_it_leaves_a_picture_and_nothing_behind(explore):
    from ipywidgets.widgets.widget import _instances

    before = len(_instances)
    shown = explore()
    assert "image/png" in shown._repr_mimebundle_()
    assert repr(shown).startswith("MapperExplorer: Mapper graph: ")
    shown.close()
    assert len(_instances) == before
