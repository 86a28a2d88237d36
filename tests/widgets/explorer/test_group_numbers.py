"""A number and a colour mean the same group: through edits, slider, undo, layers and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from networks import toy_backbone

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.grouping.editing.numbers import group_numbers
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.group_sizes import _sizes_frame
from kshot_viz.viz.style.colours import group_colours, rgb
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer

pytestmark = pytest.mark.slow

PATIENCE = 60
WIDTH = 24


@pytest.fixture
def explorer(source: ImageDataset) -> Iterator[GroupExplorer]:
    backbone = toy_backbone(width=WIDTH)
    acts = kv.capture_activations(backbone, source)
    grouping = kv.cluster_neurons(acts, n_groups=6, method="ward")
    made = GroupExplorer(backbone, acts, grouping, source)
    assert made.wait(PATIENCE)
    yield made
    made.close()


def shown(explorer: GroupExplorer) -> np.ndarray:
    """Return the number of each neuron, the same in the map, the matrix and the table."""
    layer, view = explorer.layer, explorer.frame()
    numbers = view["number"].to_numpy()
    for canvas in (explorer.map, explorer.similarity):
        labels, each = (np.frombuffer(one, "<i4") for one in (canvas.labels, canvas.numbers))
        assert each[labels].tolist() == numbers.tolist()
        colours = np.frombuffer(canvas.palette, "u1").reshape(-1, 3)[labels]
        expected = [np.round(255 * rgb(colour)).tolist() for colour in group_colours(numbers)]
        assert colours.tolist() == expected
    sizes = _sizes_frame(explorer.grouping.only([layer]))
    bars = dict(zip(sizes["number"], sizes["size"], strict=True))
    assert bars == {n: (numbers == n).sum() for n in np.unique(numbers)}
    kept = np.asarray(group_numbers(explorer.grouping, layer))
    assert kept[view["group"]].tolist() == numbers.tolist()
    return numbers


def pick(rng: np.random.Generator, numbers: np.ndarray, groups: int) -> list[int]:
    """Return a neuron of each of some groups."""
    chosen = rng.permutation(np.unique(numbers[numbers >= 0]))[:groups]
    return [int(rng.permutation(np.flatnonzero(numbers == one))[0]) for one in chosen]


def random_edit(explorer: GroupExplorer, rng: np.random.Generator, number: int) -> str:
    """Make one edit with the selection it needs; return what it was."""
    numbers = explorer.frame()["number"].to_numpy()
    what = ["group", "merge", "split", "move", "cut", "undo", "redo", "shuffle", "name"][number % 9]
    if what == "group":
        explorer.select(sorted(rng.permutation(WIDTH)[:3].tolist()))
    elif what == "merge":
        explorer.select(pick(rng, numbers, 2))
    elif what == "split":
        largest = np.bincount(numbers[numbers >= 0]).argmax()
        explorer.select([int(np.flatnonzero(numbers == largest)[0])])
    elif what in ("move", "name"):
        explorer.select(pick(rng, numbers, 1))
    if what == "cut":
        explorer.cut(int(rng.integers(2, 12)))
    else:
        value = {"move": int(numbers[numbers >= 0].max()), "name": f"name {number}"}.get(what)
        explorer.edit(what, value)
    return what


def test_twenty_edits(explorer: GroupExplorer):
    rng, before, used = np.random.default_rng(3), shown(explorer), set()
    first, states = before, {}
    for number in range(22):
        states[explorer.grouping] = before
        used |= set(before.tolist())
        what = random_edit(explorer, rng, number)
        assert explorer.wait(PATIENCE)
        assert explorer.status.kind != "error", (what, explorer.status.value)
        after = shown(explorer)
        if what in ("undo", "redo"):
            assert after.tolist() == states[explorer.grouping].tolist()
        survived = set(before.tolist()) & set(after.tolist())
        for one in survived - {-1}:
            assert ((before == one) & (after == one)).any(), (what, one)
        if what in ("group", "merge", "split", "move"):
            new = set(after.tolist()) - set(before.tolist())
            assert not new & used, what
            # Nothing but the groups that were touched has another number.
            kept = [n for n in set(before.tolist()) if (after == n).sum() == (before == n).sum()]
            assert len(kept) >= len(set(before.tolist())) - 4
        before = after
    while explorer._bench.history.undoes:
        explorer.edit("undo")
    assert shown(explorer).tolist() == first.tolist()


def test_a_new_group_leaves_all_others_their_number_and_colour(explorer: GroupExplorer):
    before = shown(explorer)
    explorer.select([0])
    explorer.edit("group")
    after = shown(explorer)
    assert after[1:].tolist() == before[1:].tolist()
    assert after[0] == before.max() + 1
    assert explorer.wait(PATIENCE)
    assert (f"group {after[0]} (1)", after[0]) in explorer.edits.target.options
    explorer.select([5])
    explorer.edit("move", int(after[0]))
    assert shown(explorer)[5] == after[0]
    assert f"Moved 1 neuron to group {after[0]}" in explorer.status.value


def test_the_slider_there_and_back(explorer: GroupExplorer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explorer._cuts, "_clock", lambda: 0.0)
    before, seen = shown(explorer), {}
    for n_groups in (7, 8, 9, 10, 9, 8, 7):
        explorer.cut(n_groups)
        numbers = shown(explorer)
        assert seen.setdefault(n_groups, numbers.tolist()) == numbers.tolist()
    explorer.edit("undo")
    assert shown(explorer).tolist() == before.tolist()


def test_other_layers_and_files_bring_the_same_numbers_back(
    explorer: GroupExplorer, tmp_path, source: ImageDataset
):
    explorer.select([0])
    explorer.edit("group")
    edited = shown(explorer)
    explorer.layer = "deep"
    assert explorer.wait(PATIENCE)
    shown(explorer)
    explorer.layer = "conv"
    assert explorer.wait(PATIENCE)
    assert shown(explorer).tolist() == edited.tolist()
    path = explorer.grouping.save(tmp_path / "groups.json")
    explorer.edit("undo")
    explorer.grouping = Grouping.load(path)
    assert shown(explorer).tolist() == edited.tolist()
    again = GroupExplorer(explorer._backbone, explorer._activations, Grouping.load(path), source)
    assert shown(again).tolist() == edited.tolist()
    again.close()


def test_groups_that_are_set_keep_the_numbers_of_those_they_come_from(explorer: GroupExplorer):
    before = shown(explorer)
    explorer.select([0])
    explorer.edit("group")
    explorer.grouping = explorer.grouping.split("conv", [4])
    after = shown(explorer)
    others = [n for n in range(WIDTH) if n not in (0, 4)]
    assert after[others].tolist() == before[others].tolist()
    bare = Grouping({name: labels.tolist() for name, labels in explorer.grouping.items()})
    explorer.grouping = bare.split("conv", [6])
    others.remove(6)
    assert shown(explorer)[others].tolist() == before[others].tolist()


def test_more_than_seven_groups_have_other_shapes(
    explorer: GroupExplorer, explore: Callable[..., GroupExplorer]
):
    explorer.cut(16)
    shapes = np.frombuffer(explorer.map.shapes, "u1")
    numbers = np.frombuffer(explorer.map.numbers, "<i4")
    assert shapes.tolist() == (numbers // 7).tolist()
    assert len(set(shapes.tolist())) >= 3
    assert set(np.frombuffer(explore().map.shapes, "u1")) == {0}
