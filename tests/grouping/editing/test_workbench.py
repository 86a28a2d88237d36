"""Edits by hand: what they do to the grouping, and what they say when they cannot."""

from __future__ import annotations

import numpy as np
import pytest

from kshot_viz.activations import Activations, LayerActivations
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.grouping.clustering.cluster import cluster_neurons
from kshot_viz.grouping.clustering.methods import METHODS, NESTED
from kshot_viz.grouping.editing.history import group_names
from kshot_viz.grouping.editing.workbench import Workbench
from kshot_viz.grouping.grouping import Grouping


def layer(points: np.ndarray) -> LayerActivations:
    return LayerActivations(points, points.mean(axis=1), points.std(axis=1), points.shape[1])


@pytest.fixture
def acts() -> Activations:
    """Ten neurons, the last one dead, and a second layer of four."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(10, 8))
    points[9] = 0
    return Activations({"a": layer(points), "b": layer(rng.normal(size=(4, 8)))}, "grid", 8)


@pytest.fixture
def bench(acts: Activations) -> Workbench:
    return Workbench(acts, Grouping({"a": [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]}, dead={"a": 3}))


@pytest.mark.parametrize("method", METHODS)
def test_a_cut_is_what_cluster_neurons_makes(acts: Activations, bench: Workbench, method: str):
    for n_groups in (1, 3, 9):
        cut = bench.cut("a", n_groups, method)
        expected = cluster_neurons(acts, n_groups={"a": n_groups}, method=method)
        assert cut == expected
        assert cut.dead_group("a") == expected.dead_group("a")


def test_only_trees_cut_at_once_and_only_when_prepared(bench: Workbench):
    assert not bench.at_once("a", "ward")
    for method in METHODS:
        bench.prepare("a", method)
    assert [method for method in METHODS if bench.at_once("a", method)] == [*NESTED]


def test_a_cut_edits_nothing_until_it_is_taken_over(bench: Workbench):
    before = bench.grouping
    cut = bench.cut("a", 4, "ward")
    assert bench.grouping is before
    assert bench.recut(cut, "a") is bench.grouping is cut
    bench.recut(bench.cut("a", 5, "ward"), "a")
    assert bench.history.steps == ("cut a into 5 groups",)
    assert bench.history.undo() is before


def test_each_drag_is_a_step_of_its_own(bench: Workbench):
    for n_groups, drag in ((4, "ward 0"), (5, "ward 0"), (4, "average 0")):
        bench.recut(bench.cut("a", n_groups, drag.split()[0]), "a", drag)
    assert len(bench.history.steps) == 2


def test_edits_of_a_layer_are_counted_and_cuts_are_not(bench: Workbench):
    bench.recut(bench.cut("a", 4, "ward"), "a")
    assert (bench.edits("a"), bench.edits("b")) == (0, 0)
    bench.group("a", [1, 4])
    bench.group("a", [1, 4])
    assert (bench.edits("a"), bench.edits("b")) == (1, 0)
    bench.undo()
    assert (bench.edits("a"), bench.edits("b")) == (2, 0)
    bench.take(Grouping({"b": [0, 0, 1, 1]}))
    assert (bench.edits("a"), bench.edits("b")) == (3, 1)


def test_a_grouping_of_another_network_is_not_taken_over(bench: Workbench):
    before = bench.grouping
    with pytest.raises(KShotValueError, match="'b' has 4 neurons, the grouping has 3"):
        bench.take(Grouping({"b": [0, 0, 1]}))
    assert bench.grouping is before


def test_a_layer_without_groups_gets_some_by_a_cut(bench: Workbench):
    assert bench.count("b") == bench.most("b") == 4
    bench.recut(bench.cut("b", 2, "ward"), "b")
    assert bench.count("b") == 2
    assert bench.grouping["a"].tolist() == bench.history.first["a"].tolist()


def test_dead_neurons_are_no_group_of_the_slider(bench: Workbench):
    assert (bench.count("a"), bench.most("a")) == (3, 9)


def test_neurons_become_a_group(bench: Workbench):
    grouping = bench.group("a", [1, 4, 7])
    assert len({int(grouping["a"][i]) for i in (1, 4, 7)}) == 1
    assert grouping.members("a", int(grouping["a"][1])).tolist() == [1, 4, 7]
    assert bench.history.undoes == "made a group of 3 neurons"


def test_neurons_move_to_a_group(bench: Workbench):
    assert bench.move("a", [0, 1], 2)["a"].tolist()[:2] == [0, 0]
    assert bench.grouping.members("a", 0).tolist() == [0, 1, 6, 7, 8]


def test_groups_that_are_touched_merge(bench: Workbench):
    assert bench.merge("a", [0, 5]).sizes("a").tolist() == [6, 3, 1]


def test_a_split_separates_members_that_differ(acts: Activations):
    points = np.repeat([[0.0, 1.0], [8.0, 9.0]], 3, axis=0) + np.arange(6)[:, None] / 100
    bench = Workbench(Activations({"a": layer(points)}, "grid", 2), Grouping({"a": [0] * 6}))
    assert bench.split("a", [2])["a"].tolist() == [0, 0, 0, 1, 1, 1]


def test_a_pair_splits_too(acts: Activations):
    bench = Workbench(acts, Grouping({"b": [0, 0, 1, 2]}))
    assert bench.split("b", [0])["b"].tolist() == [0, 1, 2, 3]


def test_a_shuffle_keeps_sizes_other_layers_and_dead_neurons_and_never_repeats(acts: Activations):
    given = cluster_neurons(acts, n_groups={"a": 3, "b": 2}, method="ward")
    bench = Workbench(acts, given)
    first, second = bench.shuffle("a"), bench.shuffle("a")
    assert sorted(first.sizes("a").tolist()) == sorted(given.sizes("a").tolist())
    assert (first["b"] == given["b"]).all()
    assert first.members("a", first.dead_group("a")).tolist() == [9]
    assert first != second


def test_a_name_is_an_edit_too(bench: Workbench):
    bench.name("a", [4], "edges")
    assert group_names(bench.grouping, "a") == {1: "edges"}
    assert group_names(bench.history.undo(), "a") == {}


@pytest.mark.parametrize("edit", ["group", "merge", "split"])
def test_an_empty_selection_is_told_what_to_do(bench: Workbench, edit: str):
    with pytest.raises(KShotValueError, match="Nothing is selected: draw a line"):
        getattr(bench, edit)("a", [])
    assert bench.history.steps == ()


@pytest.mark.parametrize("edit", ["group", "merge", "split"])
def test_a_layer_without_groups_is_told_to_be_cut(bench: Workbench, edit: str):
    with pytest.raises(KShotValueError, match="'b' has no groups: its neurons train freely"):
        getattr(bench, edit)("b", [0, 1])


def test_edits_that_make_no_sense_say_so(bench: Workbench):
    with pytest.raises(KShotValueError, match="lies in group 0 alone"):
        bench.merge("a", [0, 1])
    with pytest.raises(KShotValueError, match="lies in 2 groups: select neurons of one group"):
        bench.split("a", [0, 3])
    with pytest.raises(KShotValueError, match="has one neuron, which cannot be split"):
        bench.split("a", [9])
    with pytest.raises(KShotValueError, match="has neurons 0 to 9; not"):
        bench.group("a", [12])


def test_another_network_is_refused(acts: Activations):
    with pytest.raises(KShotValueError, match="'b' has 4 neurons, the grouping has 3"):
        Workbench(acts, Grouping({"b": [0, 0, 1]}))


def test_an_unknown_method_is_refused(bench: Workbench):
    with pytest.raises(KShotKeyError, match="`method` must be one of"):
        bench.cut("a", 2, "magic")


def test_a_layer_in_which_nothing_responds_cannot_be_cut():
    dead = Activations({"a": layer(np.zeros((4, 3)))}, "grid", 3)
    bench = Workbench(dead, Grouping({"a": [0, 0, 1, 1]}))
    with pytest.raises(KShotValueError, match="No neuron of layer 'a' responds"):
        bench.prepare("a", "ward")
