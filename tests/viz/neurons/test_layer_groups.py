from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.layer_groups import layer_groups, palette
from kshot_viz.viz.style.colours import DEAD_COLOUR, group_colours


def test_dead_neurons_are_grey_and_called_dead(groups: Grouping) -> None:
    found = layer_groups(groups, "b", 6)
    assert found.colours == (*group_colours(range(2)), DEAD_COLOUR) == palette(groups, "b")
    assert [found.name(group) for group in range(3)] == ["0", "1", "dead"]
    assert found.summary == "2 groups and 1 dead neuron"


def test_a_group_has_one_colour_with_and_without_dead_neurons() -> None:
    alive = Grouping({"a": [0, 1, 2, 2]})
    dying = Grouping({"a": [0, 1, 2, 2, 3]}, dead={"a": 3})
    assert palette(alive, "a") == palette(dying, "a")[:3]


def test_without_grouping_all_neurons_look_alike() -> None:
    found = layer_groups(None, "anything", 5)
    assert not found.known
    assert found.labels.tolist() == [0] * 5
    assert found.summary == "not grouped"
    assert found.order(10).tolist() == list(range(5))


def test_another_network_is_refused(groups: Grouping) -> None:
    with pytest.raises(KShotValueError, match="'b' has 8 neurons, the grouping has 6"):
        layer_groups(groups, "b", 8)
    with pytest.raises(KShotKeyError, match="must be one of 'a', 'b'"):
        layer_groups(groups, "c", 8)


@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=60), at_most=st.integers(1, 70))
def test_the_order_is_by_group_then_neuron(labels: list[int], at_most: int) -> None:
    found = layer_groups(Grouping({"a": labels}), "a", len(labels))
    order = found.order(at_most)
    assert len(set(order.tolist())) == min(at_most, len(labels))
    keys = [(int(found.labels[i]), int(i)) for i in order]
    assert keys == sorted(keys)


def test_large_groups_keep_their_share_among_few_neurons() -> None:
    labels = np.repeat([0, 1], [900, 100])
    found = layer_groups(Grouping({"a": labels}), "a", 1000)
    assert np.bincount(labels[found.order(50)]).tolist() == [45, 5]
