"""Groupings made without looking at activations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_backbone

from kshot_viz.errors import KShotError
from kshot_viz.grouping.grouping import Grouping

WIDTHS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 40), min_size=1)
ROWS = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@given(ROWS, st.integers(0, 2**40), st.booleans())
def test_shuffling_keeps_sizes(row, seed, silent):
    grouping = Grouping({"a": row, "b": row}, dead={"a": row[0]} if silent else {})
    null = grouping.shuffled(seed=seed)
    assert sorted(null.sizes("a")) == sorted(grouping.sizes("a"))
    assert null == grouping.shuffled(seed=seed)
    assert null.origin["null"] == "shuffled"
    assert null.dead_group("a") == grouping.dead_group("a")


def test_shuffling_moves_members_and_depends_on_seed_and_layer():
    row = np.repeat(np.arange(8), 8)
    grouping = Grouping({"a": row, "b": row})
    nulls = [grouping.shuffled(seed=seed) for seed in range(20)]
    assert len(set(nulls)) == 20
    assert all(not np.array_equal(null["a"], null["b"]) for null in nulls)
    agreement = np.mean([grouping.compare(null)["a"] for null in nulls])
    assert abs(agreement) < 0.05


def test_shuffling_a_layer_does_not_depend_on_the_others():
    grouping = Grouping({"a": [0, 0, 1, 1, 2, 2], "b": [0, 1, 0, 1]})
    np.testing.assert_array_equal(grouping.shuffled()["a"], grouping.only(["a"]).shuffled()["a"])


def test_dead_neurons_stay_among_themselves():
    grouping = Grouping({"a": [0, 9, 0, 1, 9, 1, 2, 2]}, dead={"a": 9})
    for seed in range(10):
        null = grouping.shuffled(seed=seed)
        assert list(null.members("a", null.dead_group("a"))) == [1, 4]


@given(WIDTHS)
def test_the_two_ends(widths):
    one, single = Grouping.one_group(widths), Grouping.singletons(widths)
    for name, width in widths.items():
        assert list(one[name]) == [0] * width
        assert list(single[name]) == list(range(width))
    assert set(one) == set(widths)


@given(WIDTHS, st.floats(0.01, 1.0))
def test_neighbours_share_a_group(widths, share):
    grouping = Grouping.contiguous(widths, n_groups=share)
    for name, width in widths.items():
        assert grouping.n_groups(name) == max(1, round(share * width))
        assert set(np.diff(grouping[name])) <= {0, 1}


def test_they_are_made_for_a_backbone_or_for_widths():
    backbone = toy_backbone()
    widths = {"conv": 6, "deep": 8}
    for make in (Grouping.one_group, Grouping.singletons):
        assert make(backbone) == make(widths)
        make(backbone).check(backbone)
    assert list(Grouping.contiguous(backbone, n_groups=2)["conv"]) == [0, 0, 0, 1, 1, 1]


def test_too_many_groups_name_the_layer():
    with pytest.raises(KShotError, match=r"Layer 'conv' has 6 neurons: .* 1 to 6; not 7"):
        Grouping.contiguous(toy_backbone(), n_groups=7)
