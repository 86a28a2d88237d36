"""Undo and redo of edits."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.editing.history import EditHistory, named
from kshot_viz.grouping.grouping import Grouping


def number(i: int) -> Grouping:
    """Different groupings of six neurons."""
    return Grouping({"a": [(i >> bit) & 1 for bit in range(6)]})


def test_undo_and_redo_go_back_and_forth():
    history = EditHistory(number(0))
    history.apply(number(1), "one")
    history.apply(number(2), "two")
    assert (history.undoes, history.redoes, history.steps) == ("two", None, ("one", "two"))
    assert history.undo() == number(1)
    assert (history.undoes, history.redoes, history.steps) == ("one", "two", ("one",))
    assert history.redo() == number(2) == history.grouping
    assert history.first == number(0)


def test_an_edit_after_an_undo_drops_what_was_undone():
    history = EditHistory(number(0))
    history.apply(number(1), "one")
    history.undo()
    history.apply(number(3), "three")
    assert history.redoes is None
    assert history.undo() == number(0)


def test_steps_of_one_run_are_undone_together():
    history = EditHistory(number(0))
    for i in range(1, 5):
        history.apply(number(i), f"cut {i}", run="cut")
    history.apply(number(5), "edit")
    history.apply(number(6), "cut 6", run="cut")
    assert history.steps == ("cut 4", "edit", "cut 6")
    assert [history.undo(), history.undo(), history.undo()] == [number(5), number(4), number(0)]


def test_a_run_ends_with_an_undo():
    history = EditHistory(number(0))
    history.apply(number(1), "cut 1", run="cut")
    history.apply(number(2), "edit")
    history.undo()
    history.apply(number(3), "cut 3", run="cut")
    assert history.undo() == number(1)


def test_a_run_that_comes_back_is_no_step():
    history = EditHistory(number(0))
    for i in (1, 2, 0):
        history.apply(number(i), f"cut {i}", run="cut")
    assert history.steps == ()
    assert history.sentence == "Back again: cut 0; the groups are as they were given."


def test_nothing_new_is_no_step_and_keeps_what_was_undone():
    history = EditHistory(number(0))
    history.apply(number(1), "one")
    history.apply(number(2), "two")
    history.undo()
    before = history.grouping
    assert history.apply(number(1), "the same") is before
    assert (history.steps, history.redoes) == (("one",), "two")


def test_a_name_is_something_new():
    history = EditHistory(number(1))
    history.apply(named(number(1), "a", 0, "edges"), "named")
    assert history.steps == ("named",)


def test_what_was_undone_is_told_with_its_layer():
    history = EditHistory(number(0))
    assert history.sentence == "The groups are as they were given."
    history.apply(number(1), "made a group", layer="a")
    history.apply(number(2), "cut b into 2 groups", layer="b")
    assert history.sentence == "Cut b into 2 groups (2 edits so far)."
    history.undo()
    assert history.sentence == "Undid: cut b into 2 groups (layer b); 1 edit so far."
    assert history.touched == "b"
    history.undo()
    assert history.sentence == ("Undid: made a group (layer a); the groups are as they were given.")
    history.redo()
    assert history.sentence == "Did again: made a group (layer a); 1 edit so far."
    assert history.touched == "a"


def test_there_is_an_end_in_both_directions():
    history = EditHistory(number(0))
    with pytest.raises(KShotValueError, match="no edit to undo"):
        history.undo()
    with pytest.raises(KShotValueError, match="no edit to redo"):
        history.redo()


@given(st.lists(st.integers(1, 30), max_size=8))
def test_undoing_everything_leads_to_the_start(edits):
    history = EditHistory(number(0))
    for edit in edits:
        history.apply(number(edit), str(edit))
    while history.undoes:
        history.undo()
    assert history.grouping == number(0)
    while history.redoes:
        history.redo()
    assert history.steps == tuple(str(edit) for edit, _ in groupby(edits))
