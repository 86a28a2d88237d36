"""The explorer by value: the same edits, frames and figures without a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ipywidgets.widgets import widget
from networks import toy_backbone
from small_comparison import SETTING, hand_made

import kshot_viz as kv
from kshot_viz.activations import Activations, LayerActivations
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.grouping.clustering.cluster import cluster_neurons
from kshot_viz.grouping.editing.history import group_names, named
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.searches.rescoring import rescoring
from kshot_viz.viz.neurons.layer_groups import layer_groups
from kshot_viz.viz.neurons.similarity import by_group, correlations, draw_similarity
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.widgets.explorer import selection_panel as explorer_panel
from kshot_viz.widgets.explorer.explorer_controls import targets
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer

Explore = Callable[..., GroupExplorer]
PATIENCE = 60


def test_it_begins_with_the_grouping_as_given(explore: Explore, grouping: Grouping):
    explorer = explore()
    assert explorer.layer == "conv"
    assert explorer.grouping == grouping
    assert explorer.frame()["group"].tolist() == grouping["conv"].tolist()
    assert (explorer.controls.groups.value, explorer.controls.groups.max) == (3, 6)


def test_selected_neurons_become_a_group_and_undo_restores(explore: Explore, grouping: Grouping):
    explorer, heard = explore(), []
    explorer.observe(lambda change: heard.append(change["new"]), "grouping")
    explorer.select([0, 3, 5])
    explorer.edit("group")
    assert explorer.grouping == grouping.split("conv", [0, 3, 5]) == heard[-1]
    assert "Made a group of 3 neurons" in explorer.status.value
    explorer.edits.undo.click()
    assert explorer.grouping == grouping
    explorer.edits.redo.click()
    assert explorer.grouping == heard[0]


def test_undo_says_what_it_undid_and_shows_the_layer_it_did_so_in(explore: Explore):
    explorer = explore()
    explorer.select([0, 3, 5])
    explorer.edit("group")
    explorer.layer = "deep"
    explorer.edit("undo")
    assert explorer.layer == "conv" == explorer.map.layer
    assert "Undid: made a group of 3 neurons (layer conv)" in explorer.status.value
    assert explorer.wait(PATIENCE)


def test_an_edit_that_does_not_exist_is_an_error(explore: Explore):
    with pytest.raises(KShotKeyError, match="`what` must be one of 'group'"):
        explore().edit("join")


def test_an_edit_that_changes_nothing_is_no_step(explore: Explore):
    explorer = explore()
    explorer.select([0])
    explorer.edit("name", "edges")
    explorer.edit("name", "edges")
    assert "That changes nothing" in explorer.status.value
    assert len(explorer._bench.history.steps) == 1


def test_a_grouping_that_is_set_is_an_edit(explore: Explore, grouping: Grouping):
    explorer, other = explore(), Grouping({"conv": [0, 0, 0, 1, 1, 1]})
    explorer.grouping = other
    assert explorer.frame()["group"].tolist() == [0, 0, 0, 1, 1, 1]
    assert explorer.controls.groups.value == 2
    explorer.grouping = named(other, "conv", 1, "edges")
    assert explorer.map.names == {"1": "edges"}
    explorer.edit("undo")
    assert group_names(explorer.grouping, "conv") == {}
    explorer.edit("undo")
    assert explorer.grouping == grouping
    with pytest.raises(KShotValueError, match="made for another network"):
        explorer.grouping = Grouping({"conv": [0, 1]})
    assert explorer.grouping == grouping


def test_the_slider_cuts_what_cluster_neurons_cuts(
    explore: Explore, acts: Activations, monkeypatch: pytest.MonkeyPatch
):
    explorer = explore()
    # One drag, however slow the machine is.
    monkeypatch.setattr(explorer._cuts, "_clock", lambda: 0.0)
    for n_groups in (1, 4, 6):
        explorer.cut(n_groups)
        made = cluster_neurons(acts, n_groups={"conv": n_groups}, method="ward")
        assert explorer.grouping.only(["conv"]) == made
        shown = np.frombuffer(explorer.map.labels, "<i4")
        assert shown.tolist() == made["conv"].tolist()
    explorer.edit("undo")
    assert explorer.grouping.n_groups("conv") == 3


def test_k_means_cuts_in_the_background(explore: Explore, acts: Activations):
    explorer = explore()
    explorer.controls.method.value = "kmeans"
    assert explorer.wait(PATIENCE)
    explorer.cut(4)
    assert explorer.wait(PATIENCE)
    made = cluster_neurons(acts, n_groups={"conv": 4}, method="kmeans")
    assert explorer.grouping.only(["conv"]) == made


def test_umap_is_computed_in_the_background_and_kept(source: ImageDataset):
    backbone = toy_backbone(width=4)
    acts = kv.capture_activations(backbone, source)
    explorer = GroupExplorer(backbone, acts, Grouping.one_group(backbone), source)
    assert explorer.map.axes[0].startswith("component 1")
    explorer.controls.embedding.value = "umap"
    assert explorer.wait(PATIENCE)
    assert explorer.map.axes == ["UMAP 1", "UMAP 2"]
    embedding = explorer.map.embedding
    explorer.controls.embedding.value = "pca"
    assert explorer.map.axes[0].startswith("component 1")
    explorer.controls.embedding.value = "umap"
    assert explorer.map.embedding is embedding


def test_another_layer_brings_its_own_map_and_slider(explore: Explore, grouping: Grouping):
    explorer = explore()
    explorer.select([1])
    explorer.layer = "deep"
    assert explorer.wait(PATIENCE)
    assert explorer.frame()["group"].tolist() == grouping["deep"].tolist()
    assert explorer.map.selected.tolist() == []
    assert explorer.controls.layer.value == "deep"
    assert explorer.controls.groups.max == 8


@pytest.mark.slow
def test_the_score_stands_beside_the_one_as_given(
    explore: Explore,
    backbone: Backbone,
    data: ImageDataset,
    episodes: list[Episode],
    grouping: Grouping,
):
    config = kv.FinetuneConfig(steps=2, lr=0.1)
    explorer = explore(episodes, data=data, config=config)
    assert explorer.scores.frame()["name"].tolist() == ["as given"]
    explorer.select([0, 1])
    explorer.edit("group")
    assert explorer.wait(PATIENCE)
    expected = rescoring(backbone, episodes, data=data, config=config, executor="serial").compare(
        {"as given": grouping, "edited": explorer.grouping}
    )
    assert explorer.scores.frame().equals(expected)
    assert "the grouping as given" in explorer.scores.status.value
    assert explorer.scores.picture.value == to_png(explorer.scores.axes(), 90)


@pytest.mark.slow
def test_a_cut_is_scored_like_any_edit(
    explore: Explore, data: ImageDataset, episodes: list[Episode]
):
    explorer = explore(episodes, data=data)
    for n_groups in (4, 2):
        explorer.cut(n_groups)
    assert explorer.wait(PATIENCE)
    assert explorer.scores.frame()["name"].tolist() == ["as given", "edited"]
    assert explorer.scores._scored[0] == explorer.grouping
    assert explorer.grouping.n_groups("conv") == 2


def test_a_cut_is_not_scored_where_the_box_is_empty_and_the_old_score_says_so(
    explore: Explore, data: ImageDataset, episodes: list[Episode]
):
    explorer = explore(episodes, data=data)
    explorer.scores.always.value = False
    explorer.cut(2)
    assert explorer.wait(PATIENCE)
    assert "changed since" in explorer.scores.status.value
    explorer.scores.go.click()
    assert explorer.wait(PATIENCE)
    assert explorer.scores.frame()["name"].tolist() == ["as given", "edited"]


def test_a_comparison_brings_its_setting_later(explore: Explore, data: ImageDataset):
    explorer = explore()
    without = hand_made(shots=(1,))
    explorer.use(without)
    assert "`table` has no setting of" in explorer.scores.status.value
    assert explorer.scores.go.disabled
    candidate = replace(SETTING, name="grouped")
    explorer.use(replace(without, candidates={"grouped": candidate}))
    assert explorer.wait(PATIENCE)
    assert explorer.scores.frame()["n"].tolist() == [3]
    setting = "the comparison's chosen setting (lr 0.001, head_lr 0.1, 8 steps)"
    assert explorer.scores.note == setting
    assert explorer.scores.always.value
    explorer.select([0, 1])
    explorer.panel.view.value = "gradient"
    assert explorer.wait(PATIENCE)
    assert explorer.panel.status.kind == "idle"


def test_one_episode_has_no_interval_and_says_so(
    explore: Explore, data: ImageDataset, episodes: list[Episode]
):
    explorer = explore(episodes[:1], data=data)
    explorer.select([0, 1])
    explorer.edit("group")
    assert explorer.wait(PATIENCE)
    assert "a single episode has no interval" in explorer.scores.status.value
    assert explorer.scores.frame()["low"].isna().all()


def test_without_episodes_there_is_no_score_and_a_sentence_why(explore: Explore):
    explorer = explore()
    assert explorer.scores.go.disabled
    assert "Give `episodes=` or `table=`" in explorer.scores.status.value


def test_episodes_of_unknown_images_are_reported_in_the_widget(
    explore: Explore, episodes: list[Episode]
):
    explorer = explore(episodes)
    assert "episodes were drawn from" in explorer.scores.status.value


def test_groups_from_query_images_are_noted_beside_the_score(
    explore: Explore, backbone: Backbone, data: ImageDataset, episodes: list[Episode]
):
    acts = kv.capture_activations(backbone, data)
    explorer = explore(episodes, images=data, activations=acts)
    texts = [text.get_text().replace("\n", " ") for text in explorer.scores.axes().texts]
    assert any("the score is too good" in text for text in texts)


@pytest.mark.parametrize("what", ["group", "merge", "split", "name"])
def test_an_empty_selection_is_reported(explore: Explore, grouping: Grouping, what: str):
    explorer = explore()
    explorer.edit(what)
    assert "Nothing is selected" in explorer.status.value
    assert explorer.status.kind == "error"
    assert explorer.grouping == grouping


def test_a_layer_without_groups_is_shown_and_can_be_cut(explore: Explore, grouping: Grouping):
    explorer = explore(grouping=grouping.only(["conv"]), layer="deep")
    assert not explorer.map.known
    explorer.select([0, 1])
    explorer.edit("group")
    assert "no groups: its neurons train freely" in explorer.status.value
    explorer.cut(2)
    assert explorer.grouping.n_groups("deep") == 2
    assert explorer.map.known
    assert explorer.wait(PATIENCE)


def test_a_layer_in_which_nothing_responds_says_so(explore: Explore, acts: Activations):
    silent = LayerActivations(np.zeros((6, 3)), np.zeros(6), np.zeros(6), 3)
    mixed = Activations({"conv": silent, "deep": acts.layer("deep")}, "grid", 3)
    explorer = explore(activations=mixed)
    assert "No neuron of layer" in explorer.status.value
    assert explorer.controls.groups.disabled
    explorer.layer = "deep"
    assert explorer.wait(PATIENCE)
    assert not explorer.controls.groups.disabled


@pytest.mark.slow
@pytest.mark.parametrize("view", ["filters", "images", "classes", "gradient"])
def test_the_panel_shows_what_the_library_draws(
    explore: Explore, data: ImageDataset, episodes: list[Episode], view: str
):
    explorer = explore(episodes, data=data)
    explorer.select([0, 4])
    explorer.panel.view.value = view
    assert explorer.wait(PATIENCE)
    assert explorer.panel.status.kind == "idle"
    assert "Neurons 0, 4 of group" in explorer.panel.status.value
    assert explorer.panel.picture.value == to_png(explorer.panel.axes(), 90)


@pytest.mark.slow
def test_only_the_last_traces_of_gradients_are_kept(
    explore: Explore,
    data: ImageDataset,
    episodes: list[Episode],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(explorer_panel, "_TRACES", 2)
    explorer = explore(episodes[:1], data=data)
    explorer.scores.always.value = False
    explorer.panel.view.value = "gradient"
    for neuron in range(4):
        explorer.select([neuron])
        explorer.edit("group")
        assert explorer.wait(PATIENCE)
    assert len(explorer.panel._traces) == 2
    assert ("conv", explorer.grouping) in explorer.panel._traces


def test_closing_closes_all_parts(explore: Explore):
    before = set(widget._instances)
    explorer = explore()
    explorer.close()
    assert set(widget._instances) <= before
    assert explorer.figure() is not None


def test_views_that_are_not_possible_say_why(explore: Explore, source: ImageDataset):
    explorer = explore(images=source.images)
    explorer.select([0])
    for view, reason in {"gradient": "need labelled images", "classes": "have no classes"}.items():
        explorer.panel.view.value = view
        assert explorer.wait(PATIENCE)
        assert reason in explorer.panel.status.value


def test_the_matrix_is_ordered_by_group_with_the_selection_marked(
    explore: Explore, acts: Activations, grouping: Grouping
):
    explorer = explore()
    explorer.select([2])
    assert explorer.wait(PATIENCE)
    groups = layer_groups(grouping, "conv", 6)
    frame = by_group(correlations(acts, "conv"), groups)
    expected = draw_similarity(frame, "conv", groups, selected=[2])
    assert to_png(explorer.similarity.figure()) == to_png(expected)
    assert explorer.similarity.frame().equals(frame)


def test_the_figure_holds_all_that_is_shown(
    explore: Explore, data: ImageDataset, episodes: list[Episode]
):
    explorer = explore(episodes, data=data)
    titles = [ax.get_title(loc="left") for ax in explorer.figure().axes]
    for word in ("Neurons of conv", "Similarity in conv", "Group sizes", "k-shot accuracy"):
        assert any(title.startswith(word) for title in titles)


@pytest.mark.slow
def test_the_network_of_the_caller_is_never_run_in_the_background(
    explore: Explore, backbone: Backbone, data: ImageDataset, episodes: list[Episode]
):
    explorer, ran = explore(episodes, data=data), []
    watch = backbone.module.register_forward_hook(lambda *_: ran.append(1))
    try:
        for view in ("images", "gradient"):
            explorer.panel.view.value = view
            explorer.select([0])
            explorer.edit("group")
            assert explorer.wait(PATIENCE)
    finally:
        watch.remove()
    assert ran == []


def test_html_in_names_stays_text(explore: Explore):
    explorer = explore()
    explorer.select([0])
    explorer.edit("name", "<img src=x>")
    explorer.edit("name", "x" * 50)
    assert "<img" not in explorer.status.value
    assert explorer.map.names == {str(int(explorer.grouping["conv"][0])): "<img src=x>"}


def test_a_layer_of_two_thousand_channels_is_drawn_in_part_and_said_so():
    points = np.random.default_rng(0).normal(size=(2100, 4)).astype(np.float32)
    layer = LayerActivations(points, points.mean(axis=1), points.std(axis=1), 4)
    acts = Activations({"wide": layer}, "grid", 4)
    matrix = correlations(acts, "wide")
    assert matrix.shape == (2000, 2000)
    groups = layer_groups(Grouping({"wide": np.arange(2100) % 7}), "wide", 2100)
    ax = draw_similarity(by_group(matrix, groups), "wide", groups)
    assert any("2,000 of 2,100 neurons drawn" in text.get_text() for text in ax.texts)


def test_of_very_many_groups_the_large_and_the_named_are_offered():
    labels = np.concatenate([np.arange(1000), np.arange(150)])
    wide = named(Grouping({"wide": labels}), "wide", 999, "edges")
    offered = targets(layer_groups(wide, "wide", labels.size))
    assert [group for _, group in offered] == [*range(150), 999]
    assert offered[-1][0] == "group edges (1)"
    alone = layer_groups(Grouping({"wide": np.arange(1000)}), "wide", 1000)
    assert targets(alone) == [("-", None)]


def test_a_move_to_no_group_says_what_to_do(explore: Explore):
    explorer = explore()
    explorer.select([0])
    explorer.edit("move", None)
    assert "Choose a group to move the selection to" in explorer.status.value


def test_an_unknown_layer_is_refused_and_nothing_changes(explore: Explore):
    explorer = explore()
    with pytest.raises(KShotKeyError, match="`layer` must be one of 'conv', 'deep'"):
        explorer.layer = "nope"
    assert explorer.layer == "conv"
    assert explorer.controls.state.kind == "idle"
    assert not explorer.controls.groups.disabled


def test_wrong_arguments_are_refused(explore: Explore, grouping: Grouping):
    with pytest.raises(KShotKeyError, match="`layer` must be one of 'conv', 'deep'"):
        explore(layer="conf")
    with pytest.raises(KShotValueError, match="made for another network"):
        explore(grouping=Grouping({"conv": [0, 1]}))
