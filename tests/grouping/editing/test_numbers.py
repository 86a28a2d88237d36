"""The number that a group is shown with follows the group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.editing.history import named
from kshot_viz.grouping.editing.numbers import (
    DEAD,
    group_numbers,
    group_of,
    group_title,
    numbered,
)
from kshot_viz.grouping.grouping import Grouping

FOUR = Grouping({"a": [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]}, dead={"a": 3})
LABELS = st.lists(st.integers(0, 5), min_size=8, max_size=8)


def edited(made: Grouping, before: Grouping = FOUR) -> Grouping:
    return numbered(made, before, ["a"], [before])


def test_groups_begin_with_their_labels():
    assert group_numbers(FOUR, "a") == (0, 1, 2, DEAD)
    assert [group_title(FOUR, "a", group) for group in range(4)] == ["0", "1", "2", "dead"]


def test_a_new_group_takes_a_new_number_and_no_other_changes():
    made = edited(FOUR.split("a", [0]))
    assert made["a"].tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    assert group_numbers(made, "a") == (3, 0, 1, 2, DEAD)
    assert group_of(made, "a", 3) == 0
    assert group_of(made, "a", DEAD) == 4
    with pytest.raises(KShotValueError, match="has no group 4; its groups: 0, 1, 2, 3"):
        group_of(made, "a", 4)


def test_the_larger_part_keeps_the_number():
    assert group_numbers(edited(FOUR.merge("a", [1, 2])), "a") == (0, 1, DEAD)
    moved = FOUR.move("a", [0, 1], 2)
    assert group_numbers(edited(moved), "a") == (2, 0, 1, DEAD)
    split = FOUR.split("a", [0, 1])
    assert group_numbers(edited(split), "a") == (0, 3, 1, 2, DEAD)


def test_a_number_that_was_used_is_not_used_again():
    first = edited(FOUR.split("a", [0]))
    merged = numbered(first.merge("a", [0, 1]), first, ["a"], [FOUR, first])
    assert group_numbers(merged, "a") == (0, 1, 2, DEAD)
    again = numbered(merged.split("a", [4]), merged, ["a"], [FOUR, first, merged])
    assert group_numbers(again, "a") == (0, 1, 4, 2, DEAD)


def test_dead_neurons_that_join_others_have_no_number_of_their_own():
    alive = edited(FOUR.move("a", [0], 3))
    assert alive.dead_group("a") is None
    assert sorted(group_numbers(alive, "a")) == [0, 1, 2, 3]


def test_numbers_are_kept_in_files_and_by_edits_made_elsewhere(tmp_path):
    made = edited(FOUR.split("a", [0]))
    again = Grouping.load(made.save(tmp_path / "groups.json"))
    assert group_numbers(again, "a") == group_numbers(made, "a")
    assert group_numbers(named(again, "a", 0, "edge"), "a") == (3, 0, 1, 2, DEAD)
    assert group_numbers(again.merge("a", [1, 2]), "a") == (3, 1, 2, DEAD)


def test_numbers_of_another_layer_are_not_taken():
    other = Grouping({"a": [0, 1]}, origin={"numbers": {"a": [4, 5, 6]}})
    assert group_numbers(other, "a") == (0, 1)


@given(before=LABELS, after=LABELS)
def test_a_number_stays_where_most_of_its_neurons_are(before: list[int], after: list[int]):
    first = Grouping({"a": before})
    then = numbered(Grouping({"a": after}), first, ["a"], [first])
    old, new = group_numbers(first, "a"), group_numbers(then, "a")
    assert len(set(new)) == len(new)
    rows = np.take(old, first["a"]), np.take(new, then["a"])
    fresh = set(new) - set(old)
    assert not fresh & set(old)
    for number in set(new) & set(old):
        own = int(((rows[0] == number) & (rows[1] == number)).sum())
        assert own > 0
        # Whoever shares more neurons with it has a number that it shares still more with.
        for other in set(new) - {number}:
            shared = int(((rows[0] == number) & (rows[1] == other)).sum())
            kept = int(((rows[0] == other) & (rows[1] == other)).sum())
            assert shared <= max(own, kept)


@given(labels=LABELS)
def test_the_same_groups_have_the_same_numbers(labels: list[int]):
    first = Grouping({"a": labels})
    then = numbered(Grouping({"a": labels}), first, ["a"], [first])
    assert group_numbers(then, "a") == group_numbers(first, "a")
    assert "a" not in then.origin["numbers"]
