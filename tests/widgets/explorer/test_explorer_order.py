"""An explorer while things happen at the same time: nothing is lost, or it says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.study.searches.rescoring import Rescoring
from kshot_viz.widgets.explorer import layer_view as explorer_layer
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer
from kshot_viz.widgets.explorer.layer_edits import REST

pytestmark = pytest.mark.slow

Explore = Callable[..., GroupExplorer]
PATIENCE = 60


class Gate:
    """Lets calls of a function begin one by one, when the test says so."""

    def __init__(self, behind: Callable[..., Any]) -> None:
        self._behind = behind
        self.reached, self.may = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, *args: Any) -> Any:
        self.reached.release()
        assert self.may.acquire(timeout=PATIENCE)
        return self._behind(*args)

    def wait(self) -> None:
        assert self.reached.acquire(timeout=PATIENCE)

    def open(self) -> None:
        """Hold back nothing more."""
        self.may.release(1000)


@pytest.fixture
def kmeans(explore: Explore) -> GroupExplorer:
    explorer = explore()
    explorer.controls.method.value = "kmeans"
    assert explorer.wait(PATIENCE)
    return explorer


@pytest.fixture
def gate(kmeans: GroupExplorer, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Stands before every clustering of ``kmeans``."""
    made = Gate(kmeans._bench.prepare)
    monkeypatch.setattr(kmeans._bench, "prepare", made)
    return made


def test_the_last_value_of_a_drag_is_what_stays(kmeans: GroupExplorer, gate: Gate):
    kmeans.cut(4)
    gate.wait()
    kmeans.cut(5)
    kmeans.cut(6)
    gate.open()
    assert kmeans.wait(PATIENCE)
    assert kmeans.grouping.n_groups("conv") == 6 == kmeans.controls.groups.value
    assert kmeans.status.kind == "done"


def test_a_cut_that_an_edit_overtook_is_given_up_and_said_so(kmeans: GroupExplorer, gate: Gate):
    kmeans.cut(6)
    gate.wait()
    kmeans.select([0, 1])
    kmeans.edit("group")
    edited = kmeans.grouping
    gate.open()
    assert kmeans.wait(PATIENCE)
    assert kmeans.grouping == edited
    assert "conv was not cut into 6 groups" in kmeans.status.value
    assert kmeans.controls.groups.value == edited.n_groups("conv")


def test_a_cut_survives_an_edit_of_another_layer_and_the_way_there(
    kmeans: GroupExplorer, gate: Gate
):
    kmeans.cut(4)
    gate.wait()
    kmeans.cut(6)
    kmeans.layer = "deep"
    kmeans.select([0, 1])
    kmeans.edit("group")
    edited = kmeans.grouping["deep"].tolist()
    gate.open()
    assert kmeans.wait(PATIENCE)
    assert kmeans.grouping.n_groups("conv") == 6
    assert kmeans.grouping["deep"].tolist() == edited
    assert kmeans.status.kind == "done"
    assert not kmeans.controls.groups.disabled


def test_a_drag_of_another_method_is_another_step(explore: Explore, grouping: Grouping):
    explorer = explore()
    explorer.cut(2)
    ward = explorer.grouping
    explorer.controls.method.value = "average"
    assert explorer.wait(PATIENCE)
    explorer.cut(4)
    steps = len(explorer._bench.history.steps)
    for _ in range(steps - 1):
        explorer.edit("undo")
    assert steps > 1
    assert explorer.grouping == ward
    explorer.edit("undo")
    assert explorer.grouping == grouping


def test_a_slider_that_rested_begins_another_step(
    explore: Explore, grouping: Grouping, monkeypatch: pytest.MonkeyPatch
):
    explorer, now = explore(), [100.0]
    monkeypatch.setattr(explorer._cuts, "_clock", lambda: now[0])
    explorer.cut(2)
    rested = explorer.grouping
    for later, n_groups in ((REST + 0.1, 4), (REST - 0.1, 5), (REST - 0.1, 6)):
        now[0] += later
        explorer.cut(n_groups)
    explorer.edit("undo")
    assert explorer.grouping == rested
    explorer.edit("undo")
    assert explorer.grouping == grouping


def test_what_was_scored_can_be_gone_back_to(
    explore: Explore,
    data: ImageDataset,
    episodes: list[Episode],
    monkeypatch: pytest.MonkeyPatch,
):
    explorer = explore(episodes, data=data)
    monkeypatch.setattr(explorer._cuts, "_clock", lambda: 100.0)
    explorer.cut(2)
    scored = explorer.grouping
    explorer.score()
    assert explorer.wait(PATIENCE)
    explorer.cut(5)
    explorer.edit("undo")
    assert explorer.grouping == scored


def test_another_method_cuts_at_once_into_as_many_groups(explore: Explore, grouping: Grouping):
    explorer = explore()
    explorer.controls.method.value = "correlation"
    assert explorer.wait(PATIENCE)
    found = explorer._bench.cut("conv", 3, "correlation")
    assert found != grouping, "or there is nothing to be seen here"
    assert explorer.grouping == found
    explorer.edit("undo")
    assert explorer.grouping == grouping


def test_another_method_leaves_a_layer_without_groups_alone(explore: Explore, grouping: Grouping):
    explorer = explore(grouping=grouping.only(["conv"]), layer="deep")
    explorer.controls.method.value = "correlation"
    assert explorer.wait(PATIENCE)
    assert "deep" not in explorer.grouping


def test_while_a_layer_comes_all_that_is_drawn_is_of_the_old_one(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
):
    explorer, seen = explore(), []
    read = explorer_layer.correlations

    def reading(*args: Any) -> Any:
        explorer._draw()
        seen.append([ax.get_title(loc="left") for ax in explorer.figure().axes])
        return read(*args)

    monkeypatch.setattr(explorer_layer, "correlations", reading)
    explorer.layer = "deep"
    assert explorer.wait(PATIENCE)
    assert seen[0][0].startswith("Neurons of conv")
    assert explorer.figure().axes[0].get_title(loc="left").startswith("Neurons of deep")


def test_an_edit_in_the_middle_of_scoring_says_that_it_is_being_scored(
    explore: Explore,
    data: ImageDataset,
    episodes: list[Episode],
    monkeypatch: pytest.MonkeyPatch,
):
    explorer = explore(episodes, data=data)
    compare, held = Rescoring.compare, Gate(lambda: None)

    def compared(self: Rescoring, groupings: Any, **options: Any) -> Any:
        held()
        return compare(self, groupings, **options)

    monkeypatch.setattr(Rescoring, "compare", compared)
    explorer.select([0, 1])
    explorer.edit("group")
    held.wait()
    explorer.select([2, 3])
    explorer.edit("group")
    held.may.release()
    held.wait()
    # The first score is shown, and the second one is at work.
    assert "Fine-tuning on 3 episodes" in explorer.scores.status.value
    held.open()
    assert explorer.wait(PATIENCE)
    assert explorer.scores.status.kind == "done"


def test_a_map_that_cannot_be_made_says_so_and_the_old_one_stays(
    explore: Explore, monkeypatch: pytest.MonkeyPatch
):
    explorer = explore()

    def missing(*_: Any, **__: Any) -> Any:
        raise ImportError("no map maker")

    monkeypatch.setattr(explorer_layer, "neuron_embedding", missing)
    explorer.controls.embedding.value = "umap"
    assert explorer.wait(PATIENCE)
    assert "no map maker" in explorer.status.value
    assert explorer.controls.embedding_status.kind == "idle"
    assert explorer.controls.embedding.value == "pca"
    assert explorer.map.axes[0].startswith("component 1")
