"""A grouping is a value: canonical, immutable, comparable, and the same after any round trip."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_backbone

from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.grouping.grouping import Grouping

ROW = st.lists(st.integers(0, 5), min_size=1, max_size=12)


@st.composite
def groupings(draw) -> Grouping:
    rows = {name: draw(ROW) for name in draw(st.sets(st.sampled_from("abc"), min_size=1))}
    silent = draw(st.sets(st.sampled_from(sorted(rows))))
    dead = {name: draw(st.sampled_from(rows[name])) for name in silent}
    return Grouping(rows, dead=dead, origin={"method": "drawn", "bounds": [None, 0.5]})


def with_dead() -> Grouping:
    """Groups {0, 3}, {1}, {4, 5}, and the dead {2, 6}."""
    return Grouping({"a": [0, 1, 9, 0, 2, 2, 9], "b": [0, 0]}, dead={"a": 9})


# -- as a value -----------------------------------------------------------------------------------


def test_it_is_a_mapping_from_layer_to_labels():
    grouping = with_dead()
    assert list(grouping) == ["a", "b"]
    assert len(grouping) == 2
    assert "a" in grouping
    assert "c" not in grouping
    assert list(grouping["a"]) == [0, 1, 3, 0, 2, 2, 3]
    with pytest.raises(KeyError, match="`layer` must be one of 'a', 'b'; not 'c'"):
        grouping["c"]


def test_what_it_shows():
    grouping = with_dead()
    assert grouping.n_groups("a") == 4
    assert list(grouping.sizes("a")) == [2, 1, 2, 2]
    assert list(grouping.members("a", 2)) == [4, 5]
    assert grouping.dead_group("a") == 3
    assert grouping.dead_group("b") is None


@given(groupings(), st.permutations(range(6)))
def test_relabelling_and_order_of_layers_do_not_matter(grouping, names):
    rows = {name: np.array(names)[row] for name, row in reversed(list(grouping.items()))}
    last = {n: names[d] for n in grouping if (d := grouping.dead_group(n)) is not None}
    twin = Grouping(rows, dead=last, origin={"made": "elsewhere"})
    assert twin == grouping
    assert hash(twin) == hash(grouping)


def test_what_differs_is_not_equal():
    grouping = Grouping({"a": [0, 0, 1]})
    others = [
        Grouping({"a": [0, 1, 1]}),
        Grouping({"b": [0, 0, 1]}),
        Grouping({"a": [0, 0, 1], "b": [0]}),
        Grouping({"a": [0, 0, 1]}, dead={"a": 1}),
        Grouping({"a": [0, 0, 1, 1]}),
    ]
    assert all(grouping != other for other in others)
    assert len({grouping, *others, Grouping({"a": [7, 7, 3]})}) == 6
    assert grouping != {"a": [0, 0, 1]}


def test_nothing_can_be_changed_in_place():
    source = np.array([0, 0, 1])
    origin = {"n_groups": {"a": 2}}
    grouping = Grouping({"a": source}, origin=origin)
    source[0] = 1
    origin["n_groups"]["a"] = 9
    assert list(grouping["a"]) == [0, 0, 1]
    assert grouping.origin["n_groups"]["a"] == 2
    with pytest.raises(ValueError, match="read-only"):
        grouping["a"][0] = 1
    with pytest.raises(TypeError):
        grouping["a"] = [0, 0, 0]
    with pytest.raises(TypeError):
        grouping.origin["method"] = "other"
    with pytest.raises(AttributeError):
        grouping.origin = {}
    grouping.to_dict()["origin"]["n_groups"]["a"] = 9
    assert grouping.origin["n_groups"]["a"] == 2


@pytest.mark.parametrize("labels", [[], [0.5], [[0]], [True]])
def test_wrong_labels(labels):
    with pytest.raises(KShotError, match="Labels must be"):
        Grouping({"a": labels})


# -- edits ----------------------------------------------------------------------------------------


def test_merging():
    grouping = with_dead()
    merged = grouping.merge("a", [0, 2])
    assert list(merged["a"]) == [0, 1, 2, 0, 0, 0, 2]
    assert merged.dead_group("a") == 2
    assert list(grouping["a"]) == [0, 1, 3, 0, 2, 2, 3], "the original stays"
    assert merged["b"] is not grouping["b"]
    assert list(merged["b"]) == [0, 0]


def test_dead_neurons_that_join_others_are_no_dead_group_whatever_the_order():
    merged = with_dead().merge("a", [3, 0])
    assert merged == with_dead().merge("a", [0, 3])
    assert merged.dead_group("a") is None
    assert list(merged["a"]) == [0, 1, 0, 0, 2, 2, 0]


def test_moving():
    grouping = with_dead()
    moved = grouping.move("a", [0], 1)
    assert list(moved["a"]) == [0, 0, 3, 1, 2, 2, 3]
    assert moved.dead_group("a") == 3
    emptied = grouping.move("a", [2, 6], 0)
    assert emptied.dead_group("a") is None
    assert emptied.n_groups("a") == 3
    joined = grouping.move("a", [1], 3)
    assert list(joined["a"]) == [0, 1, 1, 0, 2, 2, 1]
    assert joined.dead_group("a") is None, "the living among them"


def test_splitting():
    grouping = with_dead()
    split = grouping.split("a", [3, 5])
    assert list(split["a"]) == [0, 1, 4, 2, 3, 2, 4]
    assert split.dead_group("a") == 4
    revived = grouping.split("a", [6])
    assert list(revived["a"]) == [0, 1, 4, 0, 2, 2, 3]
    assert list(revived.members("a", 4)) == [2]


@given(groupings(), st.data())
def test_splitting_off_a_whole_group_changes_no_membership(grouping, data):
    layer = data.draw(st.sampled_from(list(grouping)))
    group = data.draw(st.integers(0, grouping.n_groups(layer) - 1))
    split = grouping.split(layer, grouping.members(layer, group))
    assert grouping.compare(split)[layer] == 1.0


@given(groupings(), st.data())
def test_split_and_merge_are_inverse(grouping, data):
    layer = data.draw(st.sampled_from(list(grouping)))
    group = data.draw(st.integers(0, grouping.n_groups(layer) - 1))
    members = grouping.members(layer, group)
    if group == grouping.dead_group(layer) or members.size == 1:
        return
    part = data.draw(st.sets(st.sampled_from(members.tolist()), max_size=members.size - 1))
    if not part:
        return
    split = grouping.split(layer, part)
    halves = {int(split[layer][neuron]) for neuron in members}
    assert len(halves) == 2
    assert split.merge(layer, halves) == grouping


def test_replacing_and_choosing_layers():
    grouping = with_dead()
    replaced = grouping.replace("a", [5, 5, 5, 5, 5, 5, 1])
    assert list(replaced["a"]) == [0, 0, 0, 0, 0, 0, 1]
    assert replaced.dead_group("a") is None
    assert list(grouping.replace("c", [1, 0])) == ["a", "b", "c"]
    assert grouping.replace("b", [0, 1]).dead_group("a") == 3
    assert list(grouping.only(["b"])) == ["b"]
    assert grouping.only(["a"]).dead_group("a") == 3
    assert grouping.only(["b", "a"]) == grouping


def test_edits_are_counted_in_the_origin():
    grouping = Grouping({"a": [0, 1, 2]}, origin={"method": "kmeans"})
    edited = grouping.merge("a", [0, 1]).split("a", [0]).only(["a"])
    assert dict(edited.origin) == {"method": "kmeans", "edits": 3}


@pytest.mark.parametrize("kind", [list, set, tuple, np.array, iter])
def test_any_collection_of_numbers_will_do(kind):
    numbers = [0, 2] if kind is not set else {0, 2}
    assert with_dead().merge("a", kind(numbers)) == with_dead().merge("a", [0, 2])
    assert with_dead().split("a", kind(numbers)) == with_dead().split("a", [0, 2])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda g: g.merge("a", [0]), "at least two groups"),
        (lambda g: g.merge("a", [1, 1]), "at least two groups"),
        (lambda g: g.merge("a", [0, 4]), r"Layer 'a' has groups 0 to 3; not \[0, 4\]"),
        (lambda g: g.merge("a", [-1, 0]), "has groups 0 to 3"),
        (lambda g: g.merge("z", [0, 1]), "must be one of 'a', 'b'"),
        (lambda g: g.move("a", [0], 4), r"groups 0 to 3; not \[4\]"),
        (lambda g: g.move("a", [0], 0.5), r"groups 0 to 3; not \[0.5\]"),
        (lambda g: g.move("a", [7], 0), r"Layer 'a' has neurons 0 to 6; not \[7\]"),
        (lambda g: g.split("a", [-1]), "neurons 0 to 6"),
        (lambda g: g.split("a", []), r"neurons 0 to 6; not \[\]"),
        (lambda g: g.split("a", [True, False]), "neurons 0 to 6"),
        (lambda g: g.members("a", 4), "groups 0 to 3"),
        (lambda g: g.replace("a", [0, 1]), "Layer 'a' has 7 neurons; 2 labels were given"),
        (lambda g: g.only(["c"]), "must be one of 'a', 'b'; not 'c'"),
    ],
)
def test_wrong_edits_say_what_is_allowed(edit, message):
    with pytest.raises(KShotError, match=message):
        edit(with_dead())


# -- and the network ------------------------------------------------------------------------------


def test_it_knows_the_network_it_was_made_for():
    backbone = toy_backbone()
    Grouping({"conv": [0] * 6, "deep": range(8)}).check(backbone)
    with pytest.raises(KShotError, match=r"another network: 'ToyNet' has no layer 'fc'"):
        Grouping({"fc": [0]}).check(backbone)
    with pytest.raises(KShotError, match=r"layer 'conv' of 'ToyNet' has 6 neurons.* has 5"):
        Grouping({"conv": [0] * 5}).check(backbone)


# -- law 10: round trips --------------------------------------------------------------------------


@given(groupings())
def test_every_round_trip_gives_an_equal_object(tmp_path_factory, grouping):
    path = tmp_path_factory.mktemp("grouping") / "groups.json"
    assert grouping.save(path) == path
    trips = [
        Grouping.load(path),
        Grouping.from_dict(json.loads(json.dumps(grouping.to_dict()))),
        pickle.loads(pickle.dumps(grouping)),
        copy.deepcopy(grouping),
        copy.copy(grouping),
    ]
    for again in trips:
        assert again == grouping
        assert again.origin == grouping.origin
        assert list(again) == list(grouping)
        for name in grouping:
            assert again.dead_group(name) == grouping.dead_group(name)
    assert [part.name for part in path.parent.iterdir()] == ["groups.json"]


def test_numbers_of_numpy_can_be_saved(tmp_path):
    origin = {"n_groups": {"a": np.int64(2)}, "max_within": np.float32(0.5), "x": np.arange(2)}
    grouping = Grouping({"a": [0, 1]}, origin=origin)
    again = Grouping.load(grouping.save(tmp_path / "g.json"))
    assert again.origin == {"n_groups": {"a": 2}, "max_within": 0.5, "x": [0, 1]}


WRONG = {
    "newer": ('{"schema": 2, "new": 1}', "has schema 2; this version reads up to 1"),
    "list": ("[1, 2]", "not a grouping"),
    "number": ("3", "not a grouping"),
    "null": ("null", "not a grouping"),
    "no schema": ('{"labels": {}, "dead": [], "origin": {}}', "`schema` is not 1"),
    "odd schema": ('{"schema": "1"}', "`schema` is not 1"),
    "no labels": ('{"schema": 1, "dead": [], "origin": {}}', "labels"),
    "labels as list": ('{"schema": 1, "labels": [1], "dead": [], "origin": {}}', "not a grouping"),
    "fractions": ('{"schema": 1, "labels": {"a": [0.5]}, "dead": [], "origin": {}}', "integers"),
    "empty row": ('{"schema": 1, "labels": {"a": []}, "dead": [], "origin": {}}', "non-empty"),
    "ragged": ('{"schema": 1, "labels": {"a": [0, [1]]}, "dead": [], "origin": {}}', "grouping"),
    "dead unknown": ('{"schema": 1, "labels": {"a": [0]}, "dead": ["b"], "origin": {}}', "'b'"),
    "dead as null": ('{"schema": 1, "labels": {"a": [0]}, "dead": null, "origin": {}}', "grouping"),
    "odd origin": ('{"schema": 1, "labels": {"a": [0]}, "dead": [], "origin": [1]}', "grouping"),
    "text origin": ('{"schema": 1, "labels": {"a": [0]}, "dead": [], "origin": "x"}', "grouping"),
    "nothing": ("", "cannot be read"),
    "no json": ("groups: 3", "cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named(tmp_path, case):
    content, message = WRONG[case]
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(KShotFileError, match=rf"mine\.json: .*{message}"):
        Grouping.load(path)


def test_a_cut_off_missing_or_binary_file_is_named(tmp_path):
    path = with_dead().save(tmp_path / "mine.json")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(KShotFileError, match=r"mine\.json"):
            Grouping.load(path)
    path.write_bytes(b"\x80\xff")
    for wrong in (path, tmp_path, tmp_path / "none.json"):
        with pytest.raises(KShotFileError, match=wrong.name):
            Grouping.load(wrong)


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(KShotFileError, match=r"mine\.json cannot be written"):
        with_dead().save(tmp_path / "no" / "folder" / "mine.json")


# -- how it looks ---------------------------------------------------------------------------------


def test_it_shows_itself_with_names_escaped():
    grouping = Grouping({"<i>a": [0, 0, 1]}, dead={"<i>a": 1}, origin={"note": "<script>"})
    assert "3 neurons in 2 groups (largest 2, 1 dead)" in repr(grouping)
    page = grouping._repr_html_()
    assert "<i>" not in page
    assert "<script>" not in page
    assert "<td>&lt;i&gt;a</td><td>3</td><td>2</td><td>2</td><td>1</td>" in page


def test_a_dead_group_that_others_join_is_no_longer_dead():
    grouping = Grouping({"l": [0, 0, 1, 2, 2]}, dead={"l": 2})
    assert grouping.dead_group("l") == 2
    assert grouping.move("l", [0], 2).dead_group("l") is None
