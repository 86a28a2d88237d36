"""Names of groups stay with their neurons."""

from __future__ import annotations

import pytest

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.editing.history import group_names, named
from kshot_viz.grouping.grouping import Grouping


def a_grouping() -> Grouping:
    return Grouping({"a": [0, 0, 1, 1, 2, 2], "b": [0, 1]}, dead={"a": 2})


def test_a_name_follows_its_members_through_edits_that_number_groups_anew():
    grouping = named(a_grouping(), "a", 1, "edges")
    assert group_names(grouping, "a") == {1: "edges"}
    edited = grouping.split("a", [0])
    assert edited["a"][[2, 3]].tolist() == [2, 2]
    assert group_names(edited, "a") == {2: "edges"}
    assert group_names(edited, "b") == {}


def test_a_group_with_half_of_the_members_has_no_name():
    grouping = named(a_grouping(), "a", 1, "edges").split("a", [3])
    assert group_names(grouping, "a") == {}


def test_a_name_changes_nothing_else():
    grouping = a_grouping()
    assert named(grouping, "a", 1, "edges") == grouping
    assert named(grouping, "a", 1, "edges").dead_group("a") == 2


def test_an_empty_name_takes_the_name_away_and_others_stay():
    both = named(named(a_grouping(), "a", 1, "edges"), "a", 0, "blobs")
    assert group_names(both, "a") == {0: "blobs", 1: "edges"}
    assert group_names(named(both, "a", 1, " "), "a") == {0: "blobs"}


def test_names_travel_with_the_file(tmp_path):
    path = named(a_grouping(), "a", 0, "<b>corners</b>").save(tmp_path / "groups.json")
    assert group_names(Grouping.load(path), "a") == {0: "<b>corners</b>"}


def test_two_groups_cannot_have_one_name():
    with pytest.raises(KShotValueError, match="'edges' is the name of another group of 'a'"):
        named(named(a_grouping(), "a", 1, "edges"), "a", 0, "edges")


def test_a_long_name_is_refused():
    with pytest.raises(KShotValueError, match="at most 40 letters"):
        named(a_grouping(), "a", 0, "x" * 41)
